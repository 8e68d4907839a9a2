//! The Python package: what `pyproject.toml` promises, and a wheel that is built, installed and used.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

mod fixture;

use fixture::tool;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The Python sources, by their place in the wheel.
fn sources() -> BTreeSet<String> {
    let folder = Path::new(ROOT).join("src/python/orthoscope");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".py")).map(|name| format!("orthoscope/{name}")).collect()
}

#[test]
fn pyproject_builds_this_program_and_this_package() {
    let text = fs::read_to_string(Path::new(ROOT).join("pyproject.toml")).unwrap();
    let project: toml::Table = toml::from_str(&text).unwrap();
    let (own, maturin) = (project["project"].as_table().unwrap(), project["tool"]["maturin"].as_table().unwrap());
    assert_eq!(own["name"].as_str(), Some(env!("CARGO_PKG_NAME")));
    assert_eq!(own["license"].as_str(), Some(env!("CARGO_PKG_LICENSE")));
    // The version is that of Cargo.toml and is written nowhere else.
    let dynamic: Vec<_> = own["dynamic"].as_array().unwrap().iter().filter_map(toml::Value::as_str).collect();
    assert!(dynamic.contains(&"version") && !own.contains_key("version"));
    assert_eq!(maturin["bindings"].as_str(), Some("bin"));
    let package = Path::new(ROOT).join(maturin["python-source"].as_str().unwrap()).join(env!("CARGO_PKG_NAME"));
    assert!(package.join("__init__.py").is_file());
    for file in own["license-files"].as_array().unwrap() {
        assert!(Path::new(ROOT).join(file.as_str().unwrap()).is_file(), "{file}");
    }
}

/// What a command that must succeed prints.
fn done(command: &mut Command) -> String {
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// Builds the wheel with the profile and the features of this test, so that only the program is linked anew.
fn built(maturin: &str, into: &Path) -> PathBuf {
    let mut command = Command::new(maturin);
    command.args(["build", "--profile", "dev", "--compatibility", "linux"]);
    if cfg!(feature = "emulator") {
        command.args(["--features", "emulator"]);
    }
    done(command.arg("--out").arg(into).current_dir(ROOT));
    let mut wheels = fs::read_dir(into).unwrap().map(|entry| entry.unwrap().path());
    let wheel = wheels.next().unwrap();
    assert!(wheels.next().is_none());
    wheel
}

/// Prints the names in a wheel and unpacks it into a folder, the program with the permission to run.
const UNPACK: &str = "\
import sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
wheel.extractall(sys.argv[2])
print(*wheel.namelist(), sep='\\n')
";

/// What the package offers without any other package but the standard library.
const TRY: &str = "\
import orthoscope, sys
assert {'load', 'save', 'Autoencoder', 'heatmap', 'read_map', 'read_metrics', 'detections'} <= set(dir(orthoscope))
assert not {'torch', 'numpy', 'safetensors'} & set(sys.modules)
print(orthoscope.__file__)
# As where they are not installed.
sys.modules.update(torch=None, numpy=None)
for name, package, extra in [('load', 'torch', 'torch'), ('read_map', 'numpy', 'results')]:
    try:
        getattr(orthoscope, name)
    except ModuleNotFoundError as error:
        assert f'{name} needs the package {package};' in str(error) and f'[{extra}]' in str(error), error
    else:
        raise AssertionError(name)
";

#[cfg(unix)]
#[test]
fn a_wheel_holds_program_and_package() {
    use std::os::unix::fs::PermissionsExt;
    let test = "a_wheel_holds_program_and_package";
    let Some(maturin) = tool::tool(&["maturin"], "ORTHOSCOPE_REQUIRE_MATURIN", test) else { return };
    let place = tempfile::tempdir().unwrap();
    let (wheels, installed) = (place.path().join("wheels"), place.path().join("installed"));
    let wheel = built(maturin, &wheels);
    let version = env!("CARGO_PKG_VERSION");
    let name = wheel.file_name().unwrap().to_str().unwrap();
    // Any Python 3: there is no compiled module.
    assert!(name.starts_with(&format!("orthoscope-{version}-py3-none-")), "{name}");
    let listed = done(Command::new("python3").args(["-c", UNPACK]).arg(&wheel).arg(&installed));
    let program = format!("orthoscope-{version}.data/scripts/orthoscope");
    let about = format!("orthoscope-{version}.dist-info/");
    let files: BTreeSet<String> = listed.lines().filter(|name| !name.starts_with(&about)).map(str::to_owned).collect();
    let mut wanted = sources();
    wanted.insert(program.clone());
    assert_eq!(files, wanted);
    let program = installed.join(program);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(done(Command::new(&program).arg("--version")), format!("orthoscope {version}\n"));
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", &installed).env("PYTHONDONTWRITEBYTECODE", "1").args(["-c", TRY]);
    let used = done(python.current_dir(place.path()));
    assert!(Path::new(used.trim()).starts_with(&installed), "{used}");
}

/// Reads what `detect` and `evaluate` wrote below the working directory, with the readers of the package in `argv[1]`.
const READ: &str = "\
import json, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from orthoscope import detections, read_map, read_metrics
found = list(detections('found'))
names = [name for name, _, _ in found]
assert names == sorted(names) and len(names) == 8 and 'good/000' in names, names
for name, verdict, heatmap in found:
    assert verdict == json.load(open(f'found/{name}.json')), name
    assert heatmap.dtype == np.float32 and heatmap.shape == (32, 32), name
    # The map is that of this picture.
    assert abs(float(heatmap.max()) - verdict['score_max']) <= 1e-6 * verdict['score_max'], name
    assert np.array_equal(heatmap, read_map(f'found/{name}_map.npy'))
metrics = read_metrics('test')
assert metrics == read_metrics('test/metrics.json') and 0 <= metrics['pixel_auroc'] <= 1
np.save('double.npy', np.ones((3, 5)))
assert read_map('double.npy').dtype == np.float32
np.save('stack.npy', np.ones((1, 3, 5), np.float32))
try:
    read_map('stack.npy')
except ValueError as error:
    assert 'stack.npy: holds an array of shape (1, 3, 5)' in str(error), error
else:
    raise AssertionError('a stack of maps was read as one')
print('read')
";

#[test]
fn the_readers_read_what_detect_and_evaluate_wrote() {
    let Some(mut python) = fixture::python::python("numpy", "the_readers_read_what_detect_and_evaluate_wrote") else { return };
    let scratch = fixture::Scratch::new();
    scratch.succeeds("detect --model run/model.safetensors --save map --out found cloth/test");
    scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out test");
    python.args(["-c", READ]).arg(Path::new(ROOT).join("src/python")).current_dir(scratch.path(""));
    assert_eq!(done(&mut python), "read\n");
}
