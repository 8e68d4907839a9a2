//! `profile`: its output, its files and its errors.

use serde_json::Value;

use crate::fixture::Scratch;

/// The smallest network, a few steps.
const SMALL: &str = "profile --width 2 --size 16 --batch 2 --steps 3 --warmup 1 --device cpu";

#[test]
fn the_table_lists_every_operation_and_whole_steps() {
    let scratch = Scratch::new();
    let out = scratch.succeeds(&format!("{SMALL} --rows 1000")).out;
    for words in ["conv2d", "e1.0", "weight grad", "sdc.3", "ccm1", "adam", "% of", "bound", "median"] {
        assert!(out.contains(words), "{words}: {out}");
    }
    assert!(out.contains("images/s") && out.contains("changes no bits") && out.contains("peaks measured on"), "{out}");
    assert!(out.contains("measuring its cost takes 10 steps or more"), "three steps are too few: {out}");
    assert!(!out.contains("p99"), "of three steps it is the maximum: {out}");
    let few = scratch.succeeds(&format!("{SMALL} --rows 2")).out;
    assert!(few.contains(" others") && few.lines().count() < 30, "{few}");
    let widest = out.lines().take_while(|line| !line.is_empty()).map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 80, "{widest} columns: {out}");
}

#[test]
fn files_hold_the_same_rows() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{SMALL} --phase train --model 1 --json a.json --csv a.csv --roofline a.svg --trace a.trace.json"));
    let profile = scratch.json("a.json");
    for key in ["images_per_second", "step_ms", "rows", "overhead_percent", "same_bits", "peaks", "settings", "device"] {
        assert!(!profile[key].is_null(), "{key}");
    }
    let rows = profile["rows"].as_array().unwrap();
    let table = String::from_utf8(scratch.read("a.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + rows.len());
    assert!(table.starts_with("operation,layer,phase,calls,median ms"), "{table}");
    assert!(scratch.read("a.svg").starts_with(b"<svg "));
    let trace = scratch.json("a.trace.json");
    let calls: u64 = rows.iter().map(|row| row["launches"].as_u64().unwrap()).sum();
    let operations = slices(&trace, 2).into_iter().filter(|slice| !["layer", "gap"].contains(&slice.category));
    assert_eq!(operations.count() as u64, 3 * calls);
    assert!(rows.iter().all(|row| row["unit"] == "fma"));
    assert!(
        table.lines().next().unwrap().ends_with(",flops,bytes,unit,executed flops,executed GFLOP/s,limit")
            && table.lines().nth(1).unwrap().contains(",fma,"),
        "{table}"
    );
    let shown = scratch.succeeds("profile --from a.json --csv b.csv --roofline b.svg --rows 5").out;
    assert!(shown.contains(" others") && shown.contains("peaks measured on"), "{shown}");
    assert!(scratch.read("b.csv") == scratch.read("a.csv") && scratch.read("b.svg") == scratch.read("a.svg"));
}

/// A slice of a trace: what it is and, in whole nanoseconds, when.
struct Slice<'a> {
    name: &'a str,
    category: &'a str,
    from: u64,
    to: u64,
}

/// The slices of a track, in the order of the file.
fn slices(trace: &Value, track: u64) -> Vec<Slice<'_>> {
    let nanoseconds = |event: &Value, key: &str| (1e3 * event[key].as_f64().unwrap()).round() as u64;
    let own = trace["traceEvents"].as_array().unwrap().iter().filter(|event| event["ph"] == "X" && event["tid"] == track);
    let slice = |event| {
        let (from, length) = (nanoseconds(event, "ts"), nanoseconds(event, "dur"));
        let [name, category] = ["name", "cat"].map(|key| event[key].as_str().unwrap());
        Slice { name, category, from, to: from + length }
    };
    own.map(slice).collect()
}

/// The names of the slices that each slice is in. Slices must start in order, and must not overlap unless one is in the other.
fn nested<'a>(slices: &[Slice<'a>]) -> Vec<Vec<&'a str>> {
    let mut open: Vec<(&str, u64)> = Vec::new();
    let (mut found, mut last) = (Vec::new(), 0);
    for slice in slices {
        assert!(slice.from >= last, "{} starts at {}, after one at {last}", slice.name, slice.from);
        last = slice.from;
        open.retain(|(_, end)| *end > slice.from);
        assert!(open.iter().all(|(_, end)| slice.to <= *end), "{} ends after one of {open:?}", slice.name);
        open.push((slice.name, slice.to));
        found.push(open.iter().map(|(name, _)| *name).collect());
    }
    found
}

#[test]
fn a_trace_has_named_tracks_nested_slices_and_counters() {
    let scratch = Scratch::new();
    // Wide enough for Winograd's method, so that fewer FLOPs are executed than the formula counts.
    scratch.succeeds("profile --width 16 --size 32 --batch 2 --steps 2 --warmup 1 --device cpu --json a.json --trace t.json");
    let trace = scratch.json("t.json");
    let about = &trace["otherData"];
    assert_eq!((&about["machine"], &about["device"]), (&scratch.json("a.json")["peaks"]["machine"], &"cpu".into()));
    let events = trace["traceEvents"].as_array().unwrap();
    let named = |kind: &str| {
        let own = events.iter().filter(|event| event["ph"] == "M" && event["name"] == kind);
        own.map(|event| event["args"]["name"].as_str().unwrap()).collect::<Vec<_>>()
    };
    let threads = scratch.json("a.json")["threads"].as_u64().unwrap();
    assert_eq!(named("process_name"), ["orthoscope"]);
    assert_eq!(named("thread_name"), ["steps and phases", &format!("layers and operations (cpu, {threads} threads)")]);
    let time = |event: &Value| event["ts"].as_f64().unwrap();
    let timed: Vec<f64> = events.iter().filter(|event| event["ph"] != "M").map(time).collect();
    assert!(timed[0] >= 0.0 && timed.windows(2).all(|pair| pair[0] <= pair[1]), "events are in the order of time");
    let phases = slices(&trace, 1);
    let places = nested(&phases);
    for place in [["step 0", "forward"], ["step 1", "backward"], ["step 1", "optimiser"]] {
        assert!(places.contains(&place.to_vec()), "{place:?}: {places:?}");
    }
    assert!(
        places.contains(&vec!["step 1", "backward", "weight grad"]) && places.iter().all(|place| place[0].starts_with("step "))
    );
    let operations = slices(&trace, 2);
    let places = nested(&operations);
    for place in [vec!["e1.1", "conv2d"], vec!["ccm1", "ccm"], vec!["adam"], vec!["gap"]] {
        assert!(places.contains(&place), "{place:?}: {places:?}");
    }
    let steps: Vec<&Slice<'_>> = phases.iter().filter(|slice| slice.category == "step").collect();
    let is_in = |slice: &Slice<'_>| steps.iter().any(|step| step.from <= slice.from && slice.to <= step.to);
    assert!(steps.len() == 2 && steps[0].to == steps[1].from && operations.iter().all(is_in), "every operation is in a step");
    for (name, unit) in [("executed", "GFLOP/s"), ("by formula", "GFLOP/s"), ("traffic", "GB/s"), ("live memory", "MB")] {
        let own = events.iter().filter(|event| event["ph"] == "C" && event["name"] == name);
        let values: Vec<f64> = own.map(|event| event["args"][unit].as_f64().unwrap()).collect();
        assert!(values.iter().all(|value| *value >= 0.0) && values.iter().any(|value| *value > 0.0), "{name}");
        assert_eq!(values.contains(&0.0), unit != "MB", "{name}: a rate is 0 in gaps");
    }
}

/// Channels are a multiple of 32, so that bf16 products are computed in pairs.
#[test]
fn bf16_products_are_compared_with_the_peak_of_their_unit() {
    let scratch = Scratch::new();
    let wide = "profile --width 32 --size 16 --batch 1 --steps 2 --warmup 0 --device cpu --precision bf16";
    scratch.succeeds(&format!("{wide} --json a.json --csv a.csv"));
    let profile = scratch.json("a.json");
    let rows = profile["rows"].as_array().unwrap();
    let unit = |op: &str, layer: &str, phase: &str| {
        let row = rows.iter().find(|row| row["op"] == op && row["layer"] == layer && row["phase"] == phase).unwrap();
        let work = ["flops", "matrix"].map(|key| row["work"][key].as_u64().unwrap());
        (row["unit"].as_str().unwrap().to_owned(), work)
    };
    let has_unit = !profile["peaks"]["matrix"].is_null();
    for phase in ["forward", "input_gradient"] {
        let (name, [flops, matrix]) = unit("ccm", "ccm1", phase);
        assert_eq!(name, if has_unit { "matrix" } else { "fma" }, "{phase}");
        assert!(if has_unit { matrix < flops && 10 * matrix > 9 * flops } else { matrix == 0 }, "{matrix} of {flops}");
    }
    // Sums over pixels are never computed in pairs.
    for row in rows.iter().filter(|row| row["phase"] == "weight_gradient" && row["op"] != "ccm") {
        assert_eq!((&row["unit"], &row["work"]["matrix"]), (&"fma".into(), &0.into()), "{row}");
    }
    let table = String::from_utf8(scratch.read("a.csv")).unwrap();
    assert_eq!(table.contains(",matrix"), has_unit, "{table}");
    // Inference stores less of a CCM but computes the same products.
    scratch.succeeds(&format!("{wide} --phase infer --json b.json"));
    let units: Vec<_> = scratch.json("b.json")["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["op"] == "ccm")
        .map(|row| row["unit"].clone())
        .collect();
    assert_eq!(units, vec![if has_unit { "matrix" } else { "fma" }; 3]);
}

#[test]
fn standard_output_has_only_json() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds(&format!("{SMALL} --phase infer --json -"));
    let profile: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(profile["settings"]["task"], "infer");
    assert!(profile["rows"].as_array().unwrap().iter().all(|row| row["phase"] != "optimiser"));
}

#[test]
fn only_records_of_the_same_work_are_compared() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{SMALL} --json a.json"));
    scratch.succeeds(&format!("{SMALL} --json b.json"));
    scratch.succeeds("profile --width 4 --size 16 --batch 1 --steps 2 --warmup 0 --device cpu --json c.json");
    let table = scratch.succeeds("profile --diff a.json b.json").out;
    assert!(table.contains("whole step") && table.contains("B/A") && table.contains("noise"), "{table}");
    assert!(table.contains("a record has 3 steps: below 10 differences cannot be distinguished from noise"), "{table}");
    assert!(table.contains("too few") && table.contains("give several records of each side:"), "{table}");
    for line in [format!("A: orthoscope {}", env!("CARGO_PKG_VERSION")), "   peaks of ".to_owned(), "B: orthoscope".to_owned()] {
        assert!(table.lines().any(|found| found.starts_with(&line)), "{line}: {table}");
    }
    let short = scratch.succeeds("profile --diff a.json,b.json b.json,a.json --rows 4").out;
    assert!(short.lines().any(|line| line.starts_with("A2: ")) && short.contains(" others"), "{short}");
    assert!(short.contains("from the fastest to the slowest process") && short.lines().count() < 50, "{short}");
    let refused = scratch.run("profile --diff a.json c.json");
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("width is 2 and 4; batch is 2 and 1"), "{}", refused.err);
    scratch.write("d.json", "{}");
    assert!(scratch.run("profile --diff a.json d.json").err.contains("d.json: is not a record of profile"));
    assert_eq!(scratch.refuses("profile --diff a.json none.json"), "none.json: no such file");
}

#[test]
fn records_of_different_machines_are_compared_with_a_warning() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{SMALL} --json a.json"));
    let quiet = scratch.succeeds("profile --diff a.json a.json");
    assert!(!quiet.err.contains("different machines"), "{}", quiet.err);
    let mut other = scratch.json("a.json");
    other["peaks"]["fma"] = (1.3 * other["peaks"]["fma"].as_f64().unwrap()).into();
    scratch.write("b.json", other.to_string());
    let ran = scratch.succeeds("profile --diff a.json b.json");
    assert!(ran.err.starts_with("warning: the records are of different machines: the multiply-add peaks of "), "{}", ran.err);
    assert!(ran.err.lines().count() == 1 && ran.out.contains("whole step"), "{} {}", ran.err, ran.out);
    // The host of a GPU counts, too.
    let mut host = scratch.json("a.json");
    host["processor"] = "an abacus".into();
    scratch.write("d.json", host.to_string());
    let ran = scratch.succeeds("profile --diff a.json d.json");
    assert!(
        ran.err.contains("of different machines: the processors are ") && ran.err.ends_with(" and an abacus\n"),
        "{}",
        ran.err
    );
    other["peaks"]["machine"] = "a slide rule".into();
    scratch.write("c.json", other.to_string());
    let ran = scratch.succeeds("profile --from c.json --rows 1");
    assert!(ran.err.starts_with("warning: c.json was measured on a slide rule; this machine is "), "{}", ran.err);
    assert!(scratch.succeeds("profile --diff a.json c.json").err.contains(" and a slide rule\n"));
    assert_eq!(scratch.succeeds("profile --from a.json --rows 1").err, "");
}

/// Machines of one name are told apart by the peaks that were measured on this one.
#[test]
fn a_record_of_an_equally_named_machine_of_another_speed_is_shown_with_a_warning() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{SMALL} --json a.json"));
    let mut own = scratch.json("a.json")["peaks"].clone();
    own["occasion"] = serde_json::json!({ "date": "2026-11-26", "others": 0.0, "spread": 0.0 });
    let machine = own["machine"].as_str().unwrap().to_ascii_lowercase();
    let file = machine.replace(|character: char| !character.is_ascii_alphanumeric(), "-");
    let show = |factor: f64| {
        let mut peaks = own.clone();
        peaks["copy"] = (factor * peaks["copy"].as_f64().unwrap()).into();
        scratch.write(format!("cache/peaks-{file}.json"), peaks.to_string());
        scratch.run_with("profile --from a.json --rows 1", &[("ORTHOSCOPE_CACHE_DIR", "cache")])
    };
    assert_eq!(show(1.1).err, "");
    let ran = show(2.0);
    let start = "warning: a.json was measured on a faster or slower machine than this one: the copy peaks of ";
    let [there, here] = [1.0, 2.0].map(|factor| factor * own["copy"].as_f64().unwrap() / 1e9);
    assert!(ran.code == 0 && ran.err.starts_with(start), "{}", ran.err);
    assert!(ran.err.ends_with(&format!(" are {there:.0} and {here:.0} G/s\n")), "{}", ran.err);
}

/// Earlier records lack the stepping of the processor.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn records_without_a_stepping_are_of_this_machine_if_the_rest_agrees() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{SMALL} --json a.json"));
    let mut older = scratch.json("a.json");
    let machine = older["peaks"]["machine"].as_str().unwrap().to_owned();
    let (before, after) = machine.split_once(" stepping ").expect("this system gives a stepping");
    older["peaks"]["machine"] = format!("{before}){}", after.split_once(')').unwrap().1).into();
    scratch.write("b.json", older.to_string());
    assert_eq!(scratch.succeeds("profile --from b.json --rows 1").err, "");
    assert_eq!(scratch.succeeds("profile --diff a.json b.json").err, "");
    older["peaks"]["machine"] = machine.replace(" stepping ", " stepping 9").into();
    scratch.write("c.json", older.to_string());
    assert!(scratch.succeeds("profile --from c.json --rows 1").err.contains(" stepping 9"), "another stepping");
}

#[test]
fn tables_fit_the_terminal_and_are_coloured_only_on_request() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{SMALL} --json a.json"));
    let show = |variables: &[(&str, &str)]| scratch.run_with("profile --from a.json", variables).out;
    let widest = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap();
    let narrow = show(&[]);
    assert!(widest(&narrow) <= 80 && narrow.contains("(columns that do not fit: ") && !narrow.contains('\u{1b}'), "{narrow}");
    let wide = show(&[("COLUMNS", "200")]);
    assert!(widest(&wide) > 80 && widest(&wide) <= 200 && !wide.contains("do not fit"), "{wide}");
    assert_eq!(show(&[("COLUMNS", "20")]), narrow, "80 columns at least");
    assert!(show(&[("CLICOLOR_FORCE", "1")]).contains("\u{1b}[1moperation"));
    assert_eq!(show(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), narrow);
}

#[test]
fn unwritable_files_are_rejected_before_measuring() {
    let scratch = Scratch::new();
    scratch.write("folder/file", "");
    for option in ["--trace", "--json", "--csv", "--roofline"] {
        for path in ["folder", "none/here.json", "folder/file/deeper"] {
            let ran = scratch.run(&format!("{SMALL} {option} {path}"));
            assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{option} {path}: {}", ran.err);
            assert!(ran.err.contains(path), "{}", ran.err);
        }
    }
}

#[test]
fn one_file_is_not_written_twice() {
    let scratch = Scratch::new();
    for (json, csv) in [("x", "x"), ("x", "./x"), ("cloth/../x", "x")] {
        let sentence = scratch.refuses(&format!("{SMALL} --json {json} --csv {csv}"));
        assert_eq!(sentence, format!("--json and --csv both name {csv}"));
    }
}

#[test]
fn showing_a_record_does_not_change_it() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{SMALL} --json a.json"));
    let before = scratch.read("a.json");
    for option in ["--csv", "--roofline"] {
        assert_eq!(
            scratch.refuses(&format!("profile --from a.json {option} ./a.json")),
            format!("--from and {option} both name ./a.json")
        );
    }
    assert_eq!(scratch.refuses("profile --from a.json --kernels k.csv"), "a.json has no kernels: it is a record of the CPU");
    assert!(scratch.read("a.json") == before && !scratch.path("k.csv").exists());
    let mut profile = scratch.json("a.json");
    profile["peaks"]["copy"] = 0.0.into();
    scratch.write("b.json", profile.to_string());
    assert_eq!(scratch.refuses("profile --from b.json --roofline b.svg"), "b.json: peaks.copy must be a positive rate, got 0");
}

#[cfg(target_os = "linux")]
#[test]
fn device_files_are_rejected_and_links_are_followed() {
    let scratch = Scratch::new();
    let sentence = scratch.refuses(&format!("{SMALL} --json /dev/full"));
    assert_eq!(sentence, "/dev/full: cannot be written: it exists and is not a regular file");
    std::os::unix::fs::symlink("there.json", scratch.path("link")).unwrap();
    let ran = scratch.run(&format!("{SMALL} --json link --trace there.json"));
    assert_eq!((ran.code, ran.err.as_str()), (1, "error: --json and --trace both name there.json\n"));
    scratch.succeeds(&format!("{SMALL} --trace link"));
    assert!(scratch.path("link").is_symlink() && scratch.json("there.json")["traceEvents"].is_array());
}

#[test]
fn only_json_goes_to_standard_output() {
    let scratch = Scratch::new();
    for option in ["csv", "kernels", "roofline", "trace"] {
        let sentence = scratch.refuses(&format!("{SMALL} --{option} -"));
        assert_eq!(sentence, format!("--{option} needs a file: only --json takes - for standard output"));
        assert!(!scratch.path("-").exists());
    }
}

#[test]
fn f32_and_bf16_are_not_the_same_work() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{SMALL} --json a.json"));
    scratch.succeeds(&format!("{SMALL} --precision bf16 --json b.json"));
    let sentence = scratch.refuses("profile --diff a.json b.json");
    assert!(sentence.contains("device is cpu and cpu, bf16"), "{sentence}");
}

#[test]
fn usage_errors_name_the_argument() {
    let scratch = Scratch::new();
    for (options, reason) in [
        ("--phase sleep", "must be train or infer"),
        ("--threads 0", "a whole number from 1 to 1024 is needed"),
        ("--diff a.json", "2 values required"),
        ("--diff a.json b.json --trace t.json", "cannot be used with"),
        ("--diff a.json b.json --csv t.csv", "cannot be used with"),
        ("--diff a.json b.json --width 8", "'--width <W>'"),
        ("--diff a.json b.json --from c.json", "cannot be used with"),
        ("--diff a.json b.json --measure-peaks", "cannot be used with"),
        ("--diff a.json, b.json", "a file name is missing before or after a comma"),
        ("--from a.json --steps 3", "cannot be used with"),
        ("--from a.json --json b.json", "cannot be used with"),
        ("--size 17", "'17' for '--size <PX>': a multiple of 8 from 8 to 8192 is needed"),
        ("--size 0", "'0' for '--size <PX>': a multiple of 8 from 8 to 8192 is needed"),
        ("--width 0", "'0' for '--width <W>': a whole number from 1 to 4096 is needed"),
        ("--batch 0", "'--batch <B>': a whole number from 1 to 65535 is needed"),
        ("--steps 0", "'--steps <N>': a whole number from 1 to 100000 is needed"),
        ("--warmup 1000000", "'--warmup <N>': a whole number from 0 to 100000 is needed"),
        ("--model 3", "a whole number from 1 to 2 is needed"),
    ] {
        let message = scratch.misused(&format!("profile {options}"));
        assert!(message.contains(reason), "{options}: {message}");
    }
}

#[test]
fn a_cpu_has_no_kernels_to_list() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{SMALL} --json a.json"));
    assert_eq!(scratch.json("a.json")["kernels"], serde_json::json!([]));
    let sentence = scratch.refuses(&format!("{SMALL} --kernels k.csv"));
    assert_eq!(sentence, "the CPU launches no kernels: --kernels needs a GPU or the emulator");
}

/// The smallest step with visible kernels.
#[cfg(feature = "emulator")]
const EMULATED: &str = "profile --width 2 --size 8 --batch 1 --steps 2 --warmup 0 --device emulator";

#[cfg(feature = "emulator")]
#[test]
fn kernels_are_listed_with_their_launches() {
    let scratch = Scratch::new();
    let out = scratch.succeeds(&format!("{EMULATED} --rows 1000 --json a.json --kernels k.csv --trace t.json")).out;
    let profile = scratch.json("a.json");
    assert_eq!(profile["same_bits"], true);
    let rows = |key: &str| profile[key].as_array().unwrap().clone();
    assert!(rows("rows").iter().any(|row| row["op"] == "corruption" && row["phase"] == "data"));
    let kernels = rows("kernels");
    for row in &kernels {
        let extents = |key: &str| row[key].as_array().unwrap().iter().map(|extent| extent.as_u64().unwrap()).product::<u64>();
        assert!(extents("grid") > 0 && (1..=1024).contains(&extents("block")) && row["launches"].as_u64() > Some(0), "{row}");
        let known = |other: &&Value| ["op", "layer", "phase"].iter().all(|key| other[key] == row[key]);
        assert!(rows("rows").iter().any(|other| known(&other)), "{row} has no operation");
        assert!(out.contains(row["kernel"].as_str().unwrap()), "{row}");
        let number = |key: &str| row[key].as_f64().unwrap();
        assert!(row["ms"]["min"].as_f64() > Some(0.0) && number("percent_of_time") > 0.0, "{row}");
        assert!(
            row["work"]["bytes"].as_u64() > Some(0) && number("gb_per_second") > 0.0 && number("percent_of_peak") > 0.0,
            "{row}"
        );
    }
    // An operation takes at least the time of its kernels, and the kernels at least 1 % of it, because the emulator also counts.
    let step = |key: &str| profile["steps"][key]["median"].as_f64().unwrap();
    assert!(step("kernels") <= step("operations") && step("kernels") > 0.01 * step("operations"), "{}", profile["steps"]);
    for key in ["copy", "fma", "matrix"] {
        assert!(profile["peaks"][key].as_f64() > Some(0.0), "{}", profile["peaks"]);
    }
    // One call of Adam updates all parameters, in launches of 64 tensors.
    let sum = |key: &str, name: &str| {
        let own = rows(key).into_iter().filter(|row| row["op"] == name).map(|row| row["launches"].as_u64().unwrap());
        own.sum::<u64>()
    };
    assert!(sum("rows", "adam") == 1 && sum("kernels", "adam") == 2);
    let table = String::from_utf8(scratch.read("k.csv")).unwrap();
    assert!(
        table.starts_with("kernel,operation,layer,phase,launches,median ms,min ms,p99 ms,GFLOP/s,GB/s,")
            && table
                .lines()
                .next()
                .is_some_and(|line| line.contains(",flops,bytes,unit,dynamic shared bytes,static shared bytes,executed flops,")),
        "{table}"
    );
    assert_eq!(table.lines().count(), 1 + kernels.len());
    let events = scratch.json("t.json");
    let launches: u64 = kernels.iter().map(|row| row["launches"].as_u64().unwrap()).sum();
    let on_kernels = |event: &&Value| event["tid"] == 4 && event["ph"] == "X" && event["args"]["bytes"].as_u64() > Some(0);
    assert_eq!(events["traceEvents"].as_array().unwrap().iter().filter(on_kernels).count() as u64, 2 * launches);
    assert!(out.contains(&format!("{launches} kernels take ")), "{out}");
    let named = |event: &Value| event["args"]["kernels"].as_array().is_some_and(|kernels| !kernels.is_empty());
    assert!(events["traceEvents"].as_array().unwrap().iter().any(named));
    (1..=4).for_each(|track| assert!(!nested(&slices(&events, track)).is_empty(), "track {track}"));
    // Register counts are known if the kernels could be compiled; otherwise the reason is given.
    let known = kernels.iter().filter(|row| row["registers"].as_u64() > Some(0) && !row["static_shared"].is_null()).count();
    let (with, without) = (
        "registers and static shared memory are those of the kernels compiled for",
        "registers and static shared memory are not known: ",
    );
    assert!(if known == kernels.len() { out.contains(with) } else { known == 0 && out.contains(without) }, "{known}: {out}");
}

#[cfg(feature = "emulator")]
#[test]
fn bf16_convolutions_are_compared_with_the_peak_of_the_matrix_unit() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{EMULATED} --precision bf16 --json a.json"));
    let profile = scratch.json("a.json");
    let peak = |key: &str| profile["peaks"][key].as_f64().unwrap();
    let floor_ms = |row: &Value, unit: &str| {
        let [flops, bytes] = ["flops", "bytes"].map(|key| row["work"][key].as_f64().unwrap());
        1e3 * (flops / peak(unit)).max(bytes / peak("copy"))
    };
    let is_at = |row: &Value, unit: &str| {
        let part = 100.0 * floor_ms(row, unit) / row["ms"]["median"].as_f64().unwrap();
        (row["percent_of_peak"].as_f64().unwrap() / part - 1.0).abs() < 1e-6
    };
    let rows = |key: &str| profile[key].as_array().unwrap().clone();
    // Of the kernels that store bf16, these compute on the matrix unit.
    let on_matrix = |kernel: &Value| {
        let name = kernel["kernel"].as_str().unwrap();
        name.contains("_bf16") && ["conv3x3_", "ccm_"].iter().any(|start| name.starts_with(start))
    };
    let unit = |is_matrix: bool| if is_matrix { "matrix" } else { "fma" };
    for kernel in rows("kernels") {
        let unit = unit(on_matrix(&kernel));
        assert!(kernel["unit"] == unit && is_at(&kernel, unit), "{kernel} is not measured by {unit}");
    }
    for row in rows("rows") {
        let is_own = |kernel: &Value| ["op", "layer", "phase"].iter().all(|key| kernel[key] == row[key]);
        let unit = unit(rows("kernels").iter().any(|kernel| is_own(kernel) && on_matrix(kernel)));
        assert!(is_at(&row, unit), "{row} is not measured by {unit}");
    }
    let is_used = |op: &str, unit: &str| rows("rows").iter().any(|row| row["op"] == op && row["unit"] == unit);
    assert!(is_used("conv2d", "matrix") && is_used("conv2d", "fma") && is_used("ccm", "matrix"));
}

/// A fake of the library through which NVIDIA's tools get operation names.
#[cfg(all(feature = "emulator", target_os = "linux"))]
#[test]
fn tools_see_operation_names_if_nvtx_is_found() {
    let scratch = Scratch::new();
    let calls = scratch.path("calls");
    let source = format!(
        "#include <stdio.h>\nstatic int say(const char* what) {{ FILE* f = fopen(\"{}\", \"a\"); fprintf(f, \"%s\\n\", what); \
         return fclose(f); }}\nint nvtxRangePushA(const char* name) {{ return say(name); }}\nint nvtxRangePop(void) {{ return say(\"-\"); \
         }}\n",
        calls.display()
    );
    scratch.write("fake.c", source);
    let mut build = std::process::Command::new("cc");
    build.current_dir(scratch.path("")).args(["-shared", "-fPIC", "fake.c", "-o", "libnvtx3interop.so.1"]);
    assert!(build.status().unwrap().success());
    let folder = scratch.path("");
    let environment = [("LD_LIBRARY_PATH", folder.to_str().unwrap()), ("VIRTUAL_ENV", ""), ("CONDA_PREFIX", "")];
    let ran = scratch.run_with(EMULATED, &environment);
    let flat = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("as ranges LAYER/PHASE/OPERATION, through libnvtx3interop.so.1"), "{} {}", ran.out, ran.err);
    let calls = String::from_utf8(scratch.read("calls")).unwrap();
    for name in ["e1.0/forward/conv2d", "e1.0/weight grad/conv2d", "optimiser/adam"] {
        assert!(calls.lines().any(|line| line == name), "{name}: {calls}");
    }
    let ends = calls.lines().filter(|line| *line == "-").count();
    assert_eq!(2 * ends, calls.lines().count());
    let doctor = scratch.run_with("doctor", &environment).out;
    assert!(doctor.lines().any(|line| line.starts_with("nvtx ") && line.ends_with(" libnvtx3interop.so.1")), "{doctor}");
}
