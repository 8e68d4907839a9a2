//! Every kernel file compiles for every supported generation of GPUs.

use orthoscope::backend::cuda::compiler::{Arch, files, files_for, list};

use super::sandbox::{ARCHITECTURES, cubins};

#[test]
fn every_kernel_compiles_without_spills() {
    let Some(cubins) = cubins("every_kernel_compiles_without_spills") else { return };
    let wanted = |name: &str| files_for(Arch::named(name).unwrap()).count();
    assert_eq!(cubins.len(), ARCHITECTURES.iter().map(|name| wanted(name)).sum::<usize>());
    assert_eq!(wanted("sm_90a"), files().len(), "all files are for Hopper, some for Hopper only");
    assert!(wanted("sm_90") < files().len() && wanted("sm_100") == wanted("sm_90"));
    let mut wrong = Vec::new();
    for cubin in cubins {
        assert!(cubin.code.starts_with(b"\x7fELF"), "{} for {}", cubin.file.name, cubin.arch);
        for kernel in list(cubin).unwrap() {
            let place = format!("{} {} {}", cubin.arch, cubin.file.name, kernel.name);
            assert!((1..=255).contains(&kernel.registers), "{place}: {} registers", kernel.registers);
            // A device with less shared memory than a kernel needs uses others: `Cuda::can_launch`. Hopper has enough for all.
            if kernel.shared_bytes > cubin.arch.shared_per_block && !cubin.arch.name.starts_with("sm_90") {
                continue;
            }
            if (kernel.spill_stores, kernel.spill_loads) != (0, 0) {
                wrong.push(format!("{place}: spills {} and {} bytes", kernel.spill_stores, kernel.spill_loads));
            }
            if kernel.occupancy == 0.0 {
                wrong.push(format!("{place}: not one block fits, {} bytes of shared memory", kernel.shared_bytes));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
