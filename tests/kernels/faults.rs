//! Errors of `orthoscope kernels` and of the compiler.

use std::fs;

use orthoscope::backend::cuda::compiler::{Compiler, Place, Source, files};

use super::sandbox::{Sandbox, nvrtc, refused};

#[test]
fn the_error_for_an_unknown_architecture_lists_the_known_ones() {
    let ran = Sandbox::new().run_with(&[], "kernels --arch sm_70");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    let known = "there is no architecture `sm_70`; known are sm_80, sm_86, sm_89, sm_90, sm_90a, sm_100, sm_120";
    assert!(ran.err.contains(known), "{}", ran.err);
}

#[test]
fn the_error_without_nvrtc_says_how_to_get_it() {
    let sandbox = Sandbox::new();
    if !sandbox.hides_nvrtc("the_error_without_nvrtc_says_how_to_get_it") {
        return;
    }
    let sentence = "cuda: no NVRTC and no compiled kernels for sm_90: install the package nvidia-cuda-nvrtc with pip and set \
        ORTHOSCOPE_NVRTC_DIR, or compile them elsewhere with `orthoscope kernels --arch sm_90 --out DIR` and set \
        ORTHOSCOPE_KERNELS_DIR=DIR";
    for command in ["kernels --arch sm_90", "kernels --arch sm_90 --json", "kernels --arch sm_90 --out new"] {
        assert_eq!(refused(&sandbox.run_without_nvrtc(&[], command)), sentence, "{command}");
    }
    assert!(!sandbox.path().join("new").exists() && !sandbox.path().join("cache").exists());
    let text = sandbox.run_without_nvrtc(&[], "doctor").out;
    let nowhere = "no libnvrtc.so.13 or libnvrtc.so.12 in empty or on the loader's path";
    assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains(nowhere), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    // A file with the right name that is not a library.
    fs::write(sandbox.path().join("empty/libnvrtc.so.13"), "no library").unwrap();
    let text = refused(&sandbox.run_without_nvrtc(&[], "kernels --arch sm_90"));
    assert!(text.starts_with("cuda: no NVRTC (empty/libnvrtc.so.13: "), "{text}");
}

#[test]
fn the_error_names_a_folder_without_kernels() {
    let sandbox = Sandbox::new();
    let text = refused(&sandbox.run_with(&[("ORTHOSCOPE_KERNELS_DIR", "none")], "kernels"));
    assert!(text.starts_with("none/kernels.json: cannot be read: "), "{text}");
    assert!(text.ends_with("ORTHOSCOPE_KERNELS_DIR must name a folder that `orthoscope kernels --out` wrote"), "{text}");
    let text = sandbox.run_with(&[("ORTHOSCOPE_KERNELS_DIR", "none")], "doctor").out;
    assert!(text.lines().any(|line| line.starts_with("missing") && line.contains("none/kernels.json")), "{text}");
}

#[test]
fn the_error_names_an_output_that_cannot_be_written() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path().join("taken"), "a file").unwrap();
    for out in ["taken", "taken/a/b"] {
        let text = refused(&sandbox.run_with(&[], &format!("kernels --out {out}")));
        assert_eq!(text, "taken: is a file; the output needs a folder here");
    }
}

#[test]
fn a_compile_error_names_the_file_and_line() {
    let Some(compiler) = nvrtc("a_compile_error_names_the_file_and_line") else { return };
    let source =
        Source { name: "wrong.cu", text: "#include \"a.cuh\"\n\n__device__ int x = y;\n", headers: &[("a.cuh", "// empty\n")] };
    let arch = orthoscope::backend::cuda::compiler::Arch::named("sm_80").unwrap();
    let error = compiler.nvrtc().unwrap().compile(&source, arch, &[]).unwrap_err().to_string();
    assert!(error.contains("cannot compile wrong.cu for sm_80: wrong.cu(3): error: identifier \"y\" is undefined"), "{error}");
    let zero = Source { text: "a\0b", ..source };
    let error = compiler.nvrtc().unwrap().compile(&zero, arch, &[]).unwrap_err().to_string();
    assert!(error.ends_with("a text has a zero byte"), "{error}");
    let plain = Source { name: "a.cu", text: "", headers: &[] };
    let error = compiler.nvrtc().unwrap().compile(&plain, arch, &["--no-such-option"]).unwrap_err().to_string();
    assert!(error.contains("no-such-option"), "{error}");
}

#[test]
fn an_empty_folder_gives_no_compiler() {
    let sandbox = Sandbox::new();
    let compiler = Compiler::new(vec![Place::Folder(sandbox.path().to_owned())]);
    let missing = compiler.nvrtc().err().unwrap().to_string();
    assert_eq!(missing, format!("no libnvrtc.so.13 or libnvrtc.so.12 in {}", sandbox.path().display()));
    let arch = orthoscope::backend::cuda::compiler::Arch::named("sm_120").unwrap();
    let error = compiler.cubin(files()[0], arch).unwrap_err().to_string();
    assert!(error.starts_with("cuda: no NVRTC and no compiled kernels for sm_120: "), "{error}");
}
