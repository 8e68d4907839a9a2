//! A packed folder for a machine with a GPU, `benches/gpu.py`, on the false driver: the profiles are those of the real program.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::false_driver::FalseDriver;

/// Scripts beside the programs.
const SCRIPTS: [&str; 3] = ["benches/gpu.py", "benches/shared.py", "benches/torch_bench.py"];
/// Programs that answer as if all were well: `suite.rs` runs the tests, and `tests/cuda/rates.rs` what `calibrate` measures.
const STAND_INS: [(&str, &str); 2] = [
    ("ops", "#!/bin/sh\necho 'test result: ok. 1 passed; 0 failed; 0 ignored'\n"),
    ("calibrate", "#!/bin/sh\nwhile [ $# -gt 1 ]; do if [ \"$1\" = --json ]; then echo '{}' > \"$2\"; fi; shift; done\n"),
];

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_packed_folder_is_rehearsed_with_all_its_profiles() {
    let (root, place) = (Path::new(env!("CARGO_MANIFEST_DIR")), tempfile::tempdir().unwrap());
    // The rehearsal runs as another user, who must be able to read the folder.
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let folder = place.path().join("pack");
    copy_folder(&root.join("benches/gpu"), &folder.join("gpu"));
    copy_folder(&root.join("src/python/orthoscope"), &folder.join("orthoscope"));
    SCRIPTS.iter().for_each(|script| {
        fs::copy(root.join(script), folder.join(Path::new(script).file_name().unwrap())).unwrap();
    });
    fs::create_dir(folder.join("bin")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_orthoscope"), folder.join("bin/orthoscope")).unwrap();
    for (name, text) in STAND_INS {
        fs::write(folder.join("bin").join(name), text).unwrap();
        fs::set_permissions(folder.join("bin").join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let (driver, out) = (FalseDriver::get().libraries(), place.path().join("results"));
    let mut command = Command::new("python3");
    command.arg(root.join("benches/gpu.py")).arg("rehearse").arg(&folder).arg("--driver").arg(driver.parent().unwrap());
    let ran = command.arg("--out").arg(&out).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && said.contains("0 of "), "{said}");
    let record: serde_json::Value = serde_json::from_slice(&fs::read(out.join("record.json")).unwrap()).unwrap();
    for stage in ["doctor", "headline-ours-1", "headline-ours-2", "headline-wgmma", "infer-256px-b1-bf16", "train-64px-b8-f32"] {
        let found = &record["stages"][stage];
        assert_eq!(found["state"], "passed", "{stage}: {found}");
        if stage != "doctor" {
            assert!(found["plain_ms"]["median"].as_f64().is_some_and(|ms| ms > 0.0), "{stage}: {found}");
        }
    }
    let device = |stage: &str| record["stages"][stage]["device"].as_str().unwrap().to_owned();
    assert_eq!(device("headline-wgmma"), device("headline-ours-1") + ", wgmma");
}
