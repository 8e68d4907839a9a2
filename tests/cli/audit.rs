//! `audit`: own weights, programs of others, and programs that misbehave.

use crate::fixture::{Ran, Scratch};

/// A program for `sh -c` that answers in a way of its choice. It reads .npy without NumPy.
const PROGRAM: &str = r#"
import struct, sys
way, arrays = sys.argv[1], int(sys.argv[2])
source, sink = sys.stdin.buffer, sys.stdout.buffer

def read():
    start = source.read(10)
    if len(start) < 10:
        return None
    header = source.read(struct.unpack("<H", start[8:10])[0])
    shape = [int(part) for part in header.decode().split("(")[1].split(")")[0].split(",") if part.strip()]
    count = 1
    for extent in shape:
        count *= extent
    return start + header, struct.unpack(f"<{count}f", source.read(4 * count))

while True:
    asked = [read() for _ in range(arrays)]
    if None in asked:
        break
    head, values = asked[-1]
    if way == "twice":
        sink.write(head + struct.pack(f"<{len(values)}f", *values))
        sink.flush()
    if way == "half":
        values = [0.5 * value for value in values]
    if way == "nan":
        values = [float("nan")] * len(values)
    if way == "flat":
        last = head.rindex(b", 3")
        head = head[:last] + b", 1" + head[last + 3:]
        values = values[::3]
    sink.write(head + struct.pack(f"<{len(values)}f", *values))
    sink.flush()
"#;

const IMAGES: &str = "--data more/cloth --images 5 --probes 2 --singular-values 2";

/// The usual scratch folder with a category that has enough images.
fn with_images() -> Scratch {
    let scratch = Scratch::new();
    scratch.succeeds("data generate --out more --family cloth --size 32 --train 8 --good 5 --defects 1");
    scratch
}

/// `audit` of the images with these options.
fn run(scratch: &Scratch, options: &[&str]) -> Ran {
    let mut command = crate::fixture::orthoscope();
    command.current_dir(scratch.path(".")).arg("audit").args(IMAGES.split(' ')).args(options);
    crate::fixture::told(command.output().unwrap())
}

fn with_program() -> Scratch {
    let scratch = with_images();
    scratch.write("program.py", PROGRAM);
    scratch
}

#[test]
fn a_network_has_a_card_beside_baselines() {
    let scratch = with_images();
    let ran = scratch
        .succeeds("audit --model run/model.safetensors --data more/cloth --images 5 --probes 2 --singular-values 3 --out card");
    assert!(ran.out.contains("tr J") && ran.out.contains("identity"), "{}", ran.out);
    let table = ran.out.lines().take_while(|line| !line.starts_with("Not determined"));
    // The hat of x̂ takes no room of its own.
    let width = |line: &str| line.chars().filter(|&character| character != '\u{302}').count();
    assert!(table.into_iter().all(|line| width(line) <= 80), "{}", ran.out);
    assert!(ran.out.ends_with("wrote card/audit.json and index.html\n"), "{}", ran.out);
    let json = scratch.json("card/audit.json");
    for key in ["residual", "idempotence", "trace", "frobenius", "asymmetry", "idempotence_jacobian"] {
        let [low, value, high] = ["low", "value", "high"].map(|end| json[key][end].as_f64().unwrap());
        assert!(low <= value && value <= high && value != 0.0, "{key}: {low} {value} {high}");
    }
    // Eight reference images show neither.
    for key in ["intrinsic_dimension", "tangent_angle"] {
        assert!(json[key]["value"].is_null() && json[key]["why"].as_str().unwrap().contains('8'), "{key}");
    }
    assert_eq!(json["protocol"]["derivatives"], "exact");
    assert_eq!(json["singular_values"].as_array().unwrap().len(), 3);
    assert_eq!(json["baselines"]["identity"]["trace"]["value"].as_f64(), json["values"].as_f64());
    let page = String::from_utf8(scratch.read("card/index.html")).unwrap();
    assert!(page.contains("Projection card") && page.contains("<svg"));
    let same = scratch
        .succeeds("audit --model run/model.safetensors --data more/cloth --images 5 --probes 2 --singular-values 3 --json");
    let again: serde_json::Value = serde_json::from_str(&same.out).unwrap();
    assert_eq!(again, json, "the same numbers, also as JSON on standard output");
}

#[test]
fn a_program_is_audited_over_pipes() {
    let scratch = with_program();
    let ran = scratch.succeeds(&format!("audit {IMAGES} --json --command cat"));
    // As in a shell: variables, several commands.
    let shell = run(&scratch, &["--command", "LEVEL=1; export LEVEL; cat"]);
    assert_eq!(shell.code, 0, "{}", shell.err);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let n = json["values"].as_f64().unwrap();
    assert!((json["trace"]["value"].as_f64().unwrap() - n).abs() < 1e-3 * n, "cat is the identity, by differences");
    assert_eq!(json["residual"]["value"], 0.0);
    assert!(json["singular_values"]["why"].as_str().unwrap().contains("vector-Jacobian"));
    let half = |arrays: u32| format!("python3 program.py half {arrays}");
    let ran = run(&scratch, &["--json", "--command", &half(1), "--jvp", &half(2), "--vjp", &half(2)]);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
    assert!((json["trace"]["value"].as_f64().unwrap() - 0.5 * n).abs() < 1e-3 * n);
    assert!((json["singular_values"][1]["value"].as_f64().unwrap() - 0.5).abs() < 1e-5);
}

#[test]
fn programs_that_misbehave_are_named_in_a_sentence() {
    let scratch = with_program();
    let refused = |program: &str, more: &str| {
        let options: Vec<&str> = more.split_whitespace().chain(["--command", program]).collect();
        let ran = run(&scratch, &options);
        assert_eq!(ran.code, 1, "{}", ran.err);
        ran.err
    };
    for (program, more, part) in [
        ("false", "", "ended with exit status: 1 instead of an answer"),
        ("no-such-program-here", "", "ended with exit status: 127 instead of an answer"),
        ("yes hello", "", "no .npy array"),
        ("sleep 20", "--time-limit 0.3", "did not answer within 0.3 seconds"),
        ("python3 program.py nan 1", "", "f(x) of image 0 has values that are not finite"),
        ("python3 program.py flat 1", "", "answered an array [5, 32, 32, 3] with an array [5, 32, 32, 1]"),
    ] {
        let err = refused(program, more);
        assert!(err.contains(part) && err.contains(&format!("`{program}`")), "{program}: {err}");
    }
    // The second answer is seen when it comes, or, if that is late, is the wrong one for the next and smaller request.
    let err = refused("python3 program.py twice 1", "");
    let known = ["answered more often than it was asked", "answered an array [4, 32, 32, 3] with an array [5, 32, 32, 3]"];
    assert!(known.iter().any(|part| err.contains(part)) && err.contains("`python3 program.py twice 1`"), "{err}");
}

/// What a program has started is stopped with it.
#[cfg(target_os = "linux")]
#[test]
fn nothing_of_a_hanging_program_stays() {
    let scratch = with_program();
    // A length that no other process has.
    let ran = run(&scratch, &["--time-limit", "0.3", "--command", "sleep 7213 | sleep 7213; true"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let paths = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("cmdline"));
    let commands = paths.filter_map(|path| std::fs::read(path).ok());
    assert_eq!(commands.filter(|command| command.starts_with(b"sleep\x007213")).count(), 0);
}

#[test]
fn images_and_models_that_do_not_fit_are_refused() {
    let scratch = with_images();
    let few = scratch.misused("audit --model run/model.safetensors --data more/cloth --images 4");
    assert!(few.contains("a whole number from 5 to 4096 is needed"), "{few}");
    for option in ["--jvp cat", "--vjp cat", "--size 64", "--time-limit 3"] {
        let ignored = scratch.misused(&format!("audit --model run/model.safetensors --data more/cloth {option}"));
        assert!(ignored.contains("cannot be used with"), "{ignored}");
    }
    let categories = scratch.refuses("audit --model run/model.safetensors --data more");
    assert!(categories.contains("contains categories with defects"), "{categories}");
    // Six normal images, of which half are kept as the reference.
    let fewer = scratch.refuses("audit --model run/model.safetensors --data cloth");
    assert!(fewer.contains("has 6 normal images") && fewer.contains("an audit needs 10"), "{fewer}");
    let odd = orthoscope::data::Image::from_elem((8, 9, 3), 0.5);
    orthoscope::data::write_png(&scratch.path("more/cloth/test/good/odd.png"), &odd).unwrap();
    let sizes = scratch.refuses("audit --command cat --data more/cloth");
    assert!(sizes.contains("images of 2 sizes; give them one with --size"), "{sizes}");
    let missing = scratch.refuses("audit --model run/model.safetensors --data nowhere");
    assert!(missing.contains("nowhere"), "{missing}");
    let both = scratch.misused("audit --data cloth");
    assert!(both.contains("--model"), "{both}");
}

#[test]
fn an_audit_replaces_no_file_of_somebody_else() {
    let scratch = with_images();
    let command = "audit --model run/model.safetensors --data more/cloth --images 5 --probes 2 --out card";
    for name in ["card/audit.json", "card/index.html"] {
        scratch.write(name, "mine");
        let text = scratch.refuses(command);
        assert!(text.starts_with(&format!("{name}: is there already, and `orthoscope audit` did not write it")), "{text}");
        std::fs::remove_file(scratch.path(name)).unwrap();
    }
    for _ in 0..2 {
        scratch.succeeds(command);
    }
}
