mod bf16;
#[cfg(feature = "emulator")]
mod emulator;
#[cfg(feature = "emulator")]
mod mutations;
mod repeat;
mod schedules;
mod training;
mod uploads;
mod watching;
