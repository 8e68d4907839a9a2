//! Compiles every `kernels/*.cu` as C++ against the emulator, one object per file, and once more for the observer
//! (`hooks.cpp`), which sees every load and store. Only changed files are compiled again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::SystemTime;

/// Makes every load and store call a function of `hooks.cpp`, and checks shifts, conversions to integers and indices.
const INSTRUMENTED: [&str; 1] = ["-fsanitize=thread,shift-exponent,float-cast-overflow,bounds"];
/// Loads and stores stay as written: GCC would join those of several elements or iterations, or replace loops by calls.
const AS_WRITTEN: [&str; 4] =
    ["-fno-tree-vectorize", "-fno-tree-slp-vectorize", "-fno-store-merging", "-fno-tree-loop-distribute-patterns"];

/// Compiles the kernels and links them into the crate.
pub fn compile() {
    println!("cargo::rerun-if-changed=kernels");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let kernels = [files("kernels", "cu"), files("kernels/emulator", "cu")].concat();
    let headers = [files("kernels", "cuh"), files("kernels/emulator", "h"), files("kernels/emulator", "rs")].concat();
    let specs_header = out.join("specs.h");
    write_if_changed(&specs_header, &specs(&kernels));
    let times = headers.iter().chain([&specs_header]).map(|path| modified(path));
    let newest_header = times.max().unwrap_or(SystemTime::UNIX_EPOCH);
    write_if_changed(&out.join("compiler.txt"), &command_line(&compiler()));
    let objects = Folder { out: &out, compiler: compiler().get_compiler() }.objects(&kernels);
    let targets: Vec<PathBuf> = objects.iter().map(|object| object.target.clone()).collect();
    compile_all(objects.into_iter().filter(|object| object.is_older_than(newest_header)).collect());
    let link = out.join("link.cpp");
    fs::write(&link, linker(&kernels)).expect("OUT_DIR can be written");
    let mut archive = compiler();
    archive.objects(targets).file(link).compile("orthoscope_kernels");
}

/// An object file and how it is made.
struct Object {
    source: PathBuf,
    target: PathBuf,
    command: Command,
}

/// Where objects go, and the compiler that makes them.
struct Folder<'a> {
    out: &'a Path,
    compiler: cc::Tool,
}

impl Folder<'_> {
    /// The objects of both sets of kernels and of both machines, and the observer.
    fn objects(&self, kernels: &[PathBuf]) -> Vec<Object> {
        let machine = PathBuf::from("kernels/emulator/emulator.cpp");
        let hooks = PathBuf::from("kernels/emulator/hooks.cpp");
        let plain = |source: &PathBuf| self.object(source, source, &format!("{}.o", stem(source)), &[]);
        let mut all: Vec<Object> = kernels.iter().chain([&machine]).map(plain).collect();
        let instrumented = [&INSTRUMENTED[..], &AS_WRITTEN].concat();
        all.extend(kernels.iter().map(|source| self.observed(source, &instrumented)));
        all.push(self.observed(&machine, &[]));
        all.push(self.object(&hooks, &hooks, "hooks.o", &["-DOBSERVED"]));
        all
    }

    /// A file compiled inside of a namespace, so that the linker does not mix its functions with the plain ones.
    fn observed(&self, source: &Path, options: &[&str]) -> Object {
        let folder = std::env::current_dir().expect("cargo sets the working directory");
        let [standard, own] = [Path::new("kernels/emulator/std.h"), source].map(|path| folder.join(path));
        let [standard, own] = [standard, own].map(|path| format!("#include \"{}\"\n", path.display()));
        let text = format!("{standard}namespace observed {{\n{own}}}\n");
        let wrapper = self.out.join(format!("observed_{}.cpp", stem(source)));
        write_if_changed(&wrapper, &text);
        self.object(source, &wrapper, &format!("observed_{}.o", stem(source)), &[&["-DOBSERVED"], options].concat())
    }

    /// An object made of `text`, which is or includes `source`.
    fn object(&self, source: &Path, text: &Path, name: &str, options: &[&str]) -> Object {
        let target = self.out.join(name);
        let mut command = self.compiler.to_command();
        command.args(["-x", "c++", "-I"]).arg(self.out).arg(format!("-DKERNEL_FILE={}", stem(source)));
        command.args(options).arg("-c").arg(text).arg("-o").arg(&target);
        Object { source: source.to_owned(), target, command }
    }
}

impl Object {
    fn is_older_than(&self, newest_header: SystemTime) -> bool {
        modified(&self.target) <= modified(&self.source).max(newest_header)
    }

    fn compile(mut self) {
        let failed = |error| panic!("the feature `emulator` needs a C++ compiler: {error}");
        let status = self.command.status().unwrap_or_else(failed);
        assert!(status.success(), "{} does not compile", self.source.display());
    }
}

/// Compiles as many objects at once as there are processors.
fn compile_all(objects: Vec<Object>) {
    let queue = Mutex::new(objects);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let next = || queue.lock().expect("no worker panics with the lock").pop();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| std::iter::from_fn(next).for_each(Object::compile));
        }
    });
}

/// The compiler with the options for kernels: no contraction of multiplications and additions, so that the arithmetic
/// is as written, and line tables, so that errors can name the line.
fn compiler() -> cc::Build {
    let mut build = cc::Build::new();
    build.cpp(true).std("c++20").opt_level(2).warnings(false).debug(false);
    for option in ["-g1", "-ffp-contract=off", "-fnon-call-exceptions", "-Wno-unknown-pragmas", "-Wno-psabi"] {
        build.flag(option);
    }
    build.flag_if_supported("-march=x86-64-v3");
    build
}

/// The compiler and its options, one per line. `tests/gpu_path` compiles a driver library from the same objects.
fn command_line(build: &cc::Build) -> String {
    let tool = build.get_compiler();
    let words = std::iter::once(tool.path().as_os_str()).chain(tool.args().iter().map(|word| word.as_os_str()));
    words.map(|word| format!("{}\n", word.display())).collect()
}

/// C++ code that references every object file, so that the linker keeps all of them, and their kernels are registered.
fn linker(kernels: &[PathBuf]) -> String {
    let declare: String = kernels.iter().map(|path| format!("void emu_link_{}();\n", stem(path))).collect();
    let call: String = kernels.iter().map(|path| format!("    emu_link_{}();\n", stem(path))).collect();
    let all = format!("{declare}void emu_link_all() {{\n{call}}}\n");
    format!("{all}namespace observed {{\n{all}}}\n")
}

/// C++ code that reads every spec `struct …Spec {…};` of the kernels field by field. A spec that only one kernel file
/// uses may be defined in that file.
fn specs(kernels: &[PathBuf]) -> String {
    let text = |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut code = "std::string read_spec(const std::string& name, const void* bytes, size_t size) {\n".to_owned();
    let mut definitions = String::new();
    for path in kernels.iter().chain([&PathBuf::from("kernels/spec.cuh")]) {
        for (name, body) in structs(&text(path)) {
            if path.extension().is_some_and(|extension| extension == "cu") {
                definitions += &format!("struct {name} {{{body}}};\n");
            }
            code += &reader(name, body);
        }
    }
    format!("{definitions}{code}    return \"\";\n}}\n")
}

/// C++ code that reads one spec, if it is asked for.
fn reader(name: &str, body: &str) -> String {
    let read: String = fields(body).map(|field| format!("{{\"{field}\", number(s.{field})}}, ")).collect();
    let copied = format!("{name} s; memcpy(&s, bytes, size); return object({{{read}}});");
    format!("    if (name == \"{name}\" && size == sizeof({name})) {{ {copied} }}\n")
}

/// Name and body of every spec.
fn structs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let found = text.split("\nstruct ").skip(1).filter_map(|rest| rest.split_once(" {"));
    found.filter(|(name, _)| name.ends_with("Spec")).filter_map(|(name, rest)| Some((name, rest.split_once('}')?.0)))
}

/// The names declared in declarations such as `uint32_t n, taps[31]; float sigma;`.
fn fields(body: &str) -> impl Iterator<Item = &str> {
    let declared = body.split(';').filter_map(|declaration| declaration.trim().split_once(' '));
    declared.flat_map(|(_, names)| names.split(',').map(|name| name.split('[').next().unwrap_or_default().trim()))
}

/// Writes a file only if its text changes, so that an unchanged file does not trigger a compilation.
fn write_if_changed(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|found| found == text) {
        return;
    }
    fs::write(path, text).expect("OUT_DIR can be written");
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|path| path.extension().is_some_and(|own| own == extension));
    found.sort();
    found
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
