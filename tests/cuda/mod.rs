mod bf16;
#[cfg(feature = "emulator")]
mod emulator;
mod hopper;
#[cfg(feature = "emulator")]
mod mutations;
mod rates;
mod repeat;
mod schedules;
mod training;
mod uploads;
mod watching;
