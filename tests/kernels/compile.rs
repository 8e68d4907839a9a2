//! Every kernel file compiled for every generation of GPUs.

use std::time::Instant;

use orthoscope::backend::cuda::compiler::{Arch, files, list};

use super::room::{note, nvrtc};

const ARCHITECTURES: [&str; 6] = ["sm_80", "sm_89", "sm_90", "sm_90a", "sm_100", "sm_120"];

#[test]
fn every_kernel_compiles_without_spills() {
    let Some(compiler) = nvrtc("every_kernel_compiles_without_spills") else { return };
    let archs = ARCHITECTURES.map(|name| Arch::named(name).unwrap());
    let start = Instant::now();
    let images = compiler.images(&archs).unwrap();
    let version = compiler.nvrtc().unwrap().version();
    note(format_args!("NVRTC {version}: {} images in {:.1} s", images.len(), start.elapsed().as_secs_f64()));
    assert_eq!(images.len(), archs.len() * files().len());
    let mut wrong = Vec::new();
    for image in &images {
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
