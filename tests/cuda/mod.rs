mod bf16;
#[cfg(feature = "emulator")]
mod broken;
#[cfg(feature = "emulator")]
mod emulator;
mod hopper;
#[cfg(feature = "emulator")]
mod matrix_unit;
#[cfg(feature = "emulator")]
mod mutations;
#[cfg(feature = "emulator")]
mod observed;
#[cfg(feature = "emulator")]
mod observed_kernels;
mod rates;
mod repeat;
mod schedules;
mod training;
mod uploads;
mod watching;
