//! Every kernel file compiled for every generation of GPUs.

use orthoscope::backend::cuda::compiler::{files, list};

use super::room::{ARCHITECTURES, images};

#[test]
fn every_kernel_compiles_without_spills() {
    let Some(images) = images("every_kernel_compiles_without_spills") else { return };
    assert_eq!(images.len(), ARCHITECTURES.len() * files().len());
    let mut wrong = Vec::new();
    for image in images {
        assert!(image.cubin.starts_with(b"\x7fELF"), "{} for {}", image.file.name, image.arch);
        for kernel in list(image).unwrap() {
            let place = format!("{} {} {}", image.arch, image.file.name, kernel.name);
            assert!((1..=255).contains(&kernel.registers), "{place}: {} registers", kernel.registers);
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
