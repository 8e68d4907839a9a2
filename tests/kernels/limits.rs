//! Limits of every kernel as compiled: code size, spills and stack. A convolution whose activation was a `switch`, inlined once
//! for each of 64 values, was 167 KiB, more than a multiprocessor's instruction cache holds; nobody saw it because nothing
//! looked.

use orthoscope::backend::cuda::compiler::{Arch, Cubin, Listing, Origin, Source, list};
use orthoscope::backend::cuda::{File, KERNELS, Kernel};

use super::sandbox::{cubins, nvrtc};

/// Kernel files of one kind, and the most that one of their kernels may need.
struct Family {
    files: &'static [&'static str],
    /// KiB of machine code.
    code: f64,
    /// Bytes of stack per thread: an array that is indexed at run time.
    stack: u32,
}

/// Every kernel file is in one family.
const FAMILIES: [Family; 6] = [
    // Products of tiles in f32.
    Family { files: &["ccm.cu", "conv2d.cu", "linear.cu", "sdc.cu"], code: 40.0, stack: 0 },
    // Products on tensor cores, with unrolled loops over fragments.
    Family {
        files: &["ccm_bf16.cu", "conv2d_bf16.cu", "conv2d_wgmma.cu", "conv3x3_bf16.cu", "sdc_rows_bf16.cu"],
        code: 48.0,
        stack: 0,
    },
    // One thread plans a patch, or lays it over a picture: many branches that few threads take.
    Family {
        files: &["corruption_crop.cu", "corruption_fields.cu", "corruption_lay.cu", "corruption_plan.cu"],
        code: 64.0,
        stack: 0,
    },
    // Windows with a side known at run time, summed in f64.
    Family { files: &["box_average.cu", "stencil.cu", "windowed_mean.cu"], code: 24.0, stack: 288 },
    // Several terms with f64 sums and their derivatives.
    Family { files: &["objective.cu"], code: 32.0, stack: 0 },
    Family {
        files: &[
            "channels.cu",
            "convert.cu",
            "gemm.cu",
            "optimise.cu",
            "peak.cu",
            "peak_wgmma.cu",
            "pointwise.cu",
            "pool.cu",
            "probes.cu",
            "rates.cu",
            "reduce.cu",
            "upsample.cu",
        ],
        code: 16.0,
        stack: 0,
    },
];

/// The architectures of the limits. The compiler unrolls more for others.
const CHECKED: [&str; 2] = ["sm_80", "sm_90a"];

fn family(file: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.files.contains(&file))
}

/// What a kernel needs beyond its limits, as clauses.
fn excess(kernel: &Listing, family: &Family) -> Vec<String> {
    let code = kernel.code_bytes as f64 / 1024.0;
    let spills = kernel.spill_stores + kernel.spill_loads;
    let found = [
        (code > family.code).then(|| format!("{code:.1} KiB of code, {} allowed", family.code)),
        (code == 0.0).then(|| "no code was found".to_owned()),
        (spills > 0 && kernel.resident_blocks > 0).then(|| format!("{spills} bytes of spills")),
        (kernel.stack > family.stack && kernel.resident_blocks > 0)
            .then(|| format!("{} bytes of stack, {} allowed", kernel.stack, family.stack)),
    ];
    found.into_iter().flatten().collect()
}

#[test]
fn every_kernel_keeps_its_limits() {
    let Some(cubins) = cubins("every_kernel_keeps_its_limits") else { return };
    let checked = cubins.iter().filter(|cubin| CHECKED.contains(&cubin.arch.name));
    let kernels: Vec<Listing> = checked.flat_map(|cubin| list(cubin).unwrap()).collect();
    let for_one = |kernel: &&&Kernel| kernel.file.only.is_some_and(|only| CHECKED.contains(&only));
    let of_one = KERNELS.iter().filter(for_one).count();
    assert_eq!(kernels.len(), CHECKED.len() * KERNELS.len() - of_one * (CHECKED.len() - 1));
    let mut wrong = Vec::new();
    for kernel in &kernels {
        let family = family(&kernel.file).unwrap_or_else(|| panic!("{}: add the file to a family of limits", kernel.file));
        let excess = excess(kernel, family);
        if !excess.is_empty() {
            wrong.push(format!("{} {}: {}", kernel.arch, kernel.name, excess.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_has_one_family() {
    for kernel in KERNELS.iter() {
        let count = FAMILIES.iter().filter(|family| family.files.contains(&kernel.file.name)).count();
        assert_eq!(count, 1, "{}", kernel.file.name);
    }
    let gone: Vec<_> = FAMILIES
        .iter()
        .flat_map(|family| family.files)
        .filter(|file| !KERNELS.iter().any(|kernel| kernel.file.name == **file))
        .collect();
    assert!(gone.is_empty(), "{gone:?}");
}

/// The fault itself, planted: a `switch` with an exponential, inlined for each of 64 values.
const PLANTED: &str = r#"
extern "C" __global__ void __launch_bounds__(128) planted(float* y, int kind) {
    float values[64];
    #pragma unroll
    for (int i = 0; i < 64; ++i) values[i] = y[i * 128 + threadIdx.x];
    #pragma unroll
    for (int i = 0; i < 64; ++i) {
        float x = values[i];
        switch (kind) {
            case 0: x = x > 0 ? x : expf(x) - 1; break;
            case 1: x = 1 / (1 + expf(-x)); break;
            case 2: x = tanhf(x); break;
            case 3: x = x * x * 0.5f; break;
            default: break;
        }
        y[i * 128 + threadIdx.x] = x;
    }
}
"#;

#[test]
fn a_switch_inlined_64_times_is_seen() {
    static FILE: File = File { name: "planted.cu", text: PLANTED, only: None };
    let Some(compiler) = nvrtc("a_switch_inlined_64_times_is_seen") else { return };
    let (nvrtc, arch) = (compiler.nvrtc().unwrap(), Arch::named("sm_90a").unwrap());
    let source = Source { name: FILE.name, text: FILE.text, headers: &[] };
    let (code, _) = nvrtc.compile(&source, arch, &["--fmad=false"]).unwrap();
    let cubin = Cubin { file: &FILE, arch, version: nvrtc.version(), code, kernels: Vec::new(), origin: Origin::Compiled };
    let kib = cubin.code_bytes("planted").unwrap() as f64 / 1024.0;
    let small = FAMILIES.last().unwrap().code;
    assert!(kib > small, "{kib:.1} KiB would pass the limit of {small}");
    assert_eq!(cubin.code_bytes("another"), None);
}
