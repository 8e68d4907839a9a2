use std::path::Path;

use orthoscope::backend::cuda::File;
use orthoscope::backend::cuda::compiler::{Arch, Cache, Cubin, Origin, Precompiled, Resources, Version};

use super::{Loader, Read, Verdict, ensure, of_file, refused};
use crate::fuzz::campaign::run;

static FILE: File = File { name: "some.cu", text: "kernel", only: None };
const ARCH: &str = "sm_90a";
const VERSION: Version = Version { major: 13, minor: 0 };

fn cubin(origin: Origin) -> Cubin {
    let kernels = vec![Resources { name: "k".into(), registers: 7, ..Resources::default() }];
    let code = b"\x7fELF\n\n\0rest".to_vec();
    Cubin { file: &FILE, arch: Arch::named(ARCH).unwrap(), version: VERSION, code, kernels, origin }
}

/// What `write` writes into a folder: the name of the only file for which `is_own` holds, and its bytes.
fn written(write: impl Fn(&Path), is_own: impl Fn(&str) -> bool) -> (String, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let name = names.into_iter().find(|name| is_own(name)).unwrap();
    let bytes = std::fs::read(folder.path().join(&name)).unwrap();
    (name, bytes)
}

/// A file of the cache is used if it is as it was written, or not at all.
#[test]
fn kernel_cache() {
    let (name, bytes) = written(|folder| Cache::new(folder.into()).write(&cubin(Origin::Compiled)), |_| true);
    run(&Loader {
        name: "kernel_cache",
        file: Box::leak(name.into_boxed_str()),
        corpus: vec![bytes],
        memory: of_file,
        check: Box::new(|path| {
            let cache = Cache::new(path.parent().unwrap().into());
            let Some(found) = cache.read(&FILE, Arch::named(ARCH).unwrap(), VERSION) else { return Ok(Read::Ignored) };
            let own = cubin(Origin::Cache);
            ensure(found.code == own.code && found.kernels == own.kernels, "used, although it is not as it was written")?;
            Ok(Read::Accepted)
        }),
    });
}

fn check_manifest(path: &Path) -> Verdict {
    let (folder, own) = (path.parent().unwrap(), cubin(Origin::Precompiled));
    let precompiled = Precompiled::new(folder.into());
    if !folder.join(ARCH).exists() {
        // Beside the manifest that was damaged.
        let manifest = std::fs::read(path).unwrap();
        std::fs::remove_file(path).unwrap();
        precompiled.write(&[cubin(Origin::Compiled)], false).unwrap();
        std::fs::write(path, manifest).unwrap();
    }
    if let Err(error) = precompiled.architectures() {
        ensure(precompiled.read(&FILE, own.arch).is_err(), "used with a manifest that cannot be read")?;
        return refused(&error);
    }
    match precompiled.read(&FILE, own.arch) {
        Ok(Some(found)) => ensure(found.code == own.code, "used, although it is not as it was written")?,
        Ok(None) => {}
        // It names the file of the kernel and not that of the manifest.
        Err(error) => ensure(error.to_string().contains("some.cubin: "), "the error does not name the file")?,
    }
    Ok(Read::Accepted)
}

#[test]
fn kernel_manifest() {
    let write = |folder: &Path| Precompiled::new(folder.into()).write(&[cubin(Origin::Compiled)], false).unwrap();
    let (_, bytes) = written(write, |name| name == "kernels.json");
    let corpus = vec![bytes];
    run(&Loader { name: "kernel_manifest", file: "kernels.json", corpus, memory: of_file, check: Box::new(check_manifest) });
}
