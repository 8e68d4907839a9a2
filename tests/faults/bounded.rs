//! Small inputs that would take much memory or never end.
#![cfg(target_os = "linux")]

use std::io::{Seek, SeekFrom, Write};
use std::process::{Command, Output, Stdio};

use crate::fixture::picture::{bmp, chunk, fields, strip, vp8x, webp, with};
use crate::fixture::png::{header, png};
use crate::fixture::{Ran, Scratch, orthoscope, sentence, told};

/// Runs a command line with this much address space, in KiB.
fn with_memory(scratch: &Scratch, kib: u32, command: &str) -> Ran {
    with_threads(scratch, kib, 2, command)
}

fn with_threads(scratch: &Scratch, kib: u32, threads: u32, command: &str) -> Ran {
    told(limited(scratch, kib, threads, command))
}

fn limited(scratch: &Scratch, kib: u32, threads: u32, command: &str) -> Output {
    let script = format!("ulimit -v {kib}; exec {} {command} --threads {threads}", env!("CARGO_BIN_EXE_orthoscope"));
    Command::new("sh").args(["-c", &script]).current_dir(scratch.path("")).env_remove("RUST_LOG").output().unwrap()
}

/// A zlib stream of `length` equal bytes.
fn deflated(byte: u8, length: usize) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let piece = vec![byte; 1 << 20];
    for start in (0..length).step_by(piece.len()) {
        encoder.write_all(&piece[..piece.len().min(length - start)]).unwrap();
    }
    encoder.finish().unwrap()
}

/// A grey picture of zeros.
fn grey(height: u32, width: u32) -> Vec<u8> {
    let rows = deflated(0, height as usize * (width as usize + 1));
    png(&[(b"IHDR", header(width, height, 8, 0)), (b"IDAT", rows), (b"IEND", vec![])])
}

#[test]
fn long_thin_pictures_take_the_memory_of_their_pixels() {
    let scratch = Scratch::new();
    for (height, width) in [(1, 3_000_000), (3_000_000, 1), (2, 1_500_000)] {
        scratch.write("in/a.png", grey(height, width));
        scratch.write("in/b.png", scratch.read("cloth/test/good/000.png"));
        // In the wrong order 32 columns or rows of each pixel take 1.15 GB.
        let ran = with_memory(&scratch, 1_100_000, "detect --model run/model.safetensors --out out --overwrite in");
        assert_eq!(ran.code, 0, "{height}x{width}: {}", ran.err);
        assert_eq!(ran.out.lines().count(), 2);
    }
    scratch.write("cloth/train/good/000.png", grey(1, 3_000_000));
    let ran = with_memory(&scratch, 1_100_000, "train --config c.toml --data cloth --out new");
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn a_picture_that_does_not_fit_is_an_error_and_not_the_end_of_the_program() {
    let scratch = Scratch::new();
    scratch.write("in/a.png", grey(2000, 2000));
    let command = "detect --model run/model.safetensors --save map,heatmap,mask,overlay,reconstruction --overwrite --out out in";
    // What is short differs: the picture, what the network makes of it, or one of the files.
    let mut failed = 0;
    for kib in [220_000, 240_000, 260_000, 280_000, 300_000, 700_000] {
        let ran = with_memory(&scratch, kib, command);
        if ran.code != 0 {
            let is_short = ran.err.contains("out of memory: ") || ran.err.contains("memory is short");
            assert!(ran.code == 1 && is_short && ran.err.contains("error: in/a.png: "), "{kib}: {} {}", ran.code, ran.err);
            failed += 1;
        }
        assert!(kib < 700_000 || ran.code == 0, "{}", ran.err);
    }
    assert!(failed >= 2, "48 MB for the picture and as many for its reconstruction are too much for the first two limits");
}

#[test]
fn a_folder_of_large_pictures_ends_in_order_at_many_limits_of_memory() {
    ends_in_order("run", 1000);
}

#[test]
fn a_folder_of_large_pictures_at_native_scale_ends_in_order_at_many_limits_of_memory() {
    ends_in_order("native", 500);
}

/// Inspects pictures of `side` pixels with the model `run` or `native`, at limits from too little memory to enough.
#[track_caller]
fn ends_in_order(model: &str, side: u32) {
    let scratch = Scratch::new();
    (0..3).for_each(|number| scratch.write(format!("in/{number}.png"), grey(side, side)));
    scratch.write("small.png", grey(32, 32));
    scratch.write("native.toml", crate::fixture::CONFIG.replace("size = 32", "size = 32\nfit = \"native\""));
    scratch.succeeds("train --config native.toml --data cloth --out native");
    let save = "--save map,heatmap,mask,overlay,reconstruction --out out in";
    let mut short_of = 0;
    for threads in [1, 2] {
        let detect = format!("detect --device cpu --overwrite --model {model}/model.safetensors");
        let (small, command) = (format!("{detect} --save none --out small small.png"), format!("{detect} {save}"));
        let own = own_memory(&scratch, threads, &small);
        for kib in (own + 40_000..=own + 160_000).step_by(40_000) {
            let ran = with_threads(&scratch, kib, threads, &command);
            short_of += u32::from(!is_complete(&ran, &format!("{model}, {threads} threads, {kib} KiB")));
        }
    }
    assert!(short_of > 0, "{model}: all limits are too high to try anything");
}

/// What the program and its threads take, in KiB, which differs between machines.
#[track_caller]
fn own_memory(scratch: &Scratch, threads: u32, command: &str) -> u32 {
    let is_enough = |kib: &u32| limited(scratch, *kib, threads, command).status.success();
    (60_000..1_000_000).step_by(20_000).find(is_enough).expect("a small picture needs less than 1 GB")
}

/// Whether a command did its work. If not, it says that memory is short.
#[track_caller]
fn is_complete(ran: &Ran, about: &str) -> bool {
    let short = ["out of memory: ", "memory is short", "threads cannot be started", "of free memory", "of memory are free"];
    let is_in_order = ran.code == 1 && short.iter().any(|words| ran.err.contains(words));
    assert!(ran.code == 0 || is_in_order, "{about}: {} {}", ran.code, ran.err);
    ran.code == 0
}

/// Tries more and more memory, in KiB, until a command does its work; `try_with` says whether it did.
#[track_caller]
fn until_complete(least: u32, step: usize, mut try_with: impl FnMut(u32) -> bool) {
    let mut limits = (least..least + 2_000_000).step_by(step);
    assert!(!try_with(limits.next().unwrap()), "the first limit is too high to try anything");
    assert!(limits.any(try_with), "no limit is enough");
}

#[test]
fn no_step_of_a_training_is_lost_because_its_checkpoint_does_not_fit() {
    let scratch = Scratch::new();
    let wide = crate::fixture::CONFIG.replace("width = 2", "width = 32").replace("checkpoint_every = 2", "checkpoint_every = 9");
    scratch.write("wide.toml", wide);
    let own = own_memory(&scratch, 2, "train --device cpu --config c.toml --data cloth --out small --steps 1 --overwrite");
    until_complete(own, 10_000, |kib| {
        let ran =
            with_memory(&scratch, kib, &format!("train --device cpu --config wide.toml --data cloth --out new{kib} --steps 1"));
        let is_complete = is_complete(&ran, &format!("{kib} KiB"));
        let exists = |name: &str| scratch.path(format!("new{kib}/{name}")).exists();
        let has_steps = exists("log.jsonl") && !scratch.read(format!("new{kib}/log.jsonl")).is_empty();
        assert!(
            exists("checkpoint.safetensors") == has_steps && exists("model.safetensors") == is_complete,
            "{kib} KiB: {}",
            ran.err
        );
        is_complete
    });
}

#[test]
fn a_training_takes_all_of_its_images_or_none_however_short_memory_is() {
    let scratch = Scratch::new();
    let own = own_memory(&scratch, 2, "train --device cpu --config c.toml --data cloth --out small --steps 1 --overwrite");
    (0..3).for_each(|number| scratch.write(format!("cloth/train/good/00{number}.jpg"), jpeg(1500)));
    until_complete(own, 20_000, |kib| {
        let ran =
            with_memory(&scratch, kib, &format!("train --device cpu --config c.toml --data cloth --out new{kib} --steps 1"));
        assert!(!ran.err.contains("skipped") && !ran.err.contains("cut short"), "{kib} KiB: {}", ran.err);
        is_complete(&ran, &format!("{kib} KiB"))
    });
}

#[test]
fn the_page_of_a_test_set_of_large_pictures_ends_in_order_at_many_limits_of_memory() {
    let scratch = Scratch::new();
    let evaluate = "evaluate --device cpu --model run/model.safetensors --overwrite --out new";
    let own = own_memory(&scratch, 1, &format!("{evaluate} --data cloth"));
    scratch.write("good/a.jpg", jpeg(1500));
    scratch.write("bad/b.jpg", jpeg(1500));
    until_complete(own, 30_000, |kib| {
        let ran = with_threads(&scratch, kib, 1, &format!("{evaluate} --normal good --abnormal bad"));
        is_complete(&ran, &format!("{kib} KiB"))
    });
    let page = scratch.read("new/index.html").len();
    assert!(page < 4_000_000, "pictures are as large as they are shown: {page} bytes");
}

#[test]
fn figures_end_in_order_at_many_limits_of_memory() {
    let scratch = Scratch::new();
    let own = own_memory(
        &scratch,
        1,
        "detect --device cpu --model run/model.safetensors --overwrite --save none --out small cloth/test",
    );
    let figures = "figures --device cpu --model run/model.safetensors --data cloth --overwrite --out new";
    for kib in (own..own + 80_000).step_by(5_000) {
        let ran = with_threads(&scratch, kib, 1, figures);
        if !is_complete(&ran, &format!("{kib} KiB")) {
            assert!(!ran.err.contains("out of memory") || ran.err.contains("`--only NAME`"), "{kib} KiB: {}", ran.err);
        }
    }
}

#[test]
fn a_detection_for_which_memory_is_short_says_what_helps_and_that_nothing_was_inspected() {
    let scratch = Scratch::new();
    scratch.write("in/a.png", grey(2000, 2000));
    scratch.write("in/b.png", grey(2000, 2000));
    let small = "detect --device cpu --model run/model.safetensors --overwrite --save none --out small cloth/test/good";
    let own = own_memory(&scratch, 2, small);
    let ran = with_threads(&scratch, own + 20_000, 2, "detect --device cpu --model run/model.safetensors --out out in");
    assert_eq!(ran.code, 1, "{}", ran.err);
    for words in
        ["none inspected, 2 skipped", "memory was short for 2 of the images, also with no other beside it; what helps is "]
    {
        assert!(ran.err.contains(words), "{}", ran.err);
    }
    assert!(ran.err.ends_with("error: none of the 2 images could be inspected\n"), "{}", ran.err);
}

/// A colourful JPEG picture of `side` pixels.
fn jpeg(side: u16) -> Vec<u8> {
    let pixels: Vec<u8> = (0..3 * u32::from(side) * u32::from(side)).map(|place| (place / 97 % 251) as u8).collect();
    let mut file = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new(&mut file);
    image::ImageEncoder::write_image(encoder, &pixels, side.into(), side.into(), image::ExtendedColorType::Rgb8).unwrap();
    file
}

#[test]
fn what_a_png_has_beside_its_pixels_is_not_unpacked() {
    let scratch = Scratch::new();
    let profile = [&b"p\0\0"[..], &deflated(0, 1 << 30)].concat();
    let text = [&b"t\0\0"[..], &deflated(b'x', 1 << 30)].concat();
    let rows = deflated(7, 20 * (24 * 3 + 1));
    // The filter of each row is 7, which does not exist, so only the chunks before are read without a fault.
    let bad = png(&[(b"IHDR", header(24, 20, 8, 2)), (b"iCCP", profile.clone()), (b"IDAT", rows), (b"IEND", vec![])]);
    let plain = deflated(0, 20 * (24 * 3 + 1));
    let good = png(&[(b"IHDR", header(24, 20, 8, 2)), (b"iCCP", profile), (b"zTXt", text), (b"IDAT", plain), (b"IEND", vec![])]);
    scratch.write("in/bad.png", bad);
    scratch.write("in/good.png", good);
    let ran = with_memory(&scratch, 700_000, "detect --model run/model.safetensors --out out in");
    assert_eq!((ran.code, ran.out.lines().count()), (1, 1), "{}", ran.err);
    assert!(ran.err.contains("error: in/bad.png: the PNG data cannot be read: "), "{}", ran.err);
    assert!(ran.err.ends_with("error: 1 of 2 images could not be inspected\n"), "{}", ran.err);
    for name in ["bend", "good"] {
        let stem = format!("cloth/test/{name}/000.png");
        scratch.write(&stem, scratch.read("in/good.png"));
    }
    let ran = with_memory(&scratch, 700_000, "evaluate --model run/model.safetensors --data cloth --out new");
    assert!(ran.code == 0 && ran.err.contains("1 of 8 files skipped: ") && ran.err.contains("the mask has"), "{}", ran.err);
}

#[test]
fn small_files_of_every_format_that_claim_much_take_little() {
    let scratch = Scratch::new();
    let frame = [&[0x10, 0, 0, 0x9D, 0x01, 0x2A][..], &16383_u16.to_le_bytes(), &16383_u16.to_le_bytes(), &[0; 40]].concat();
    let tiles = with(with(with(fields(4, 4, 8, 1, 1), 259, &[8]), 322, &[1 << 31]), 323, &[16]);
    let bombs: [(&str, Vec<u8>); 7] = [
        ("a.tif", strip(fields(8192, 8192, 16, 2, 3), vec![0; 8])),
        ("b.tif", strip(tiles, vec![0; 8])),
        ("c.tif", strip(with(fields(8192, 8192, 8, 1, 1), 277, &[65535]), vec![0; 8])),
        ("d.bmp", bmp(8192, 8192, 8, &[[0; 4]], &[0; 8])),
        ("e.ppm", b"P6 8192 8192 65535\n12345678".to_vec()),
        ("f.webp", webp(&[vp8x(0, 4, 4), chunk(b"VP8 ", &frame)])),
        ("g.webp", webp(&[vp8x(0, 1 << 24, 1 << 24), chunk(b"VP8 ", &frame)])),
    ];
    for (name, bytes) in &bombs {
        scratch.write(format!("in/{name}"), bytes);
    }
    scratch.write("in/z.png", scratch.read("cloth/test/good/000.png"));
    let ran = with_memory(&scratch, 900_000, "detect --model run/model.safetensors --out out in");
    assert_eq!((ran.code, ran.out.lines().count()), (1, 1), "{}", ran.err);
    for (name, _) in bombs {
        assert_eq!(ran.err.matches(&format!("error: in/{name}: ")).count(), 1, "{name}: {}", ran.err);
    }
}

#[test]
fn an_array_that_claims_more_than_its_file_has_is_refused() {
    let scratch = Scratch::new();
    scratch.write("x.npy", b"\x93NUMPY\x02\0\xff\xff\xff\xff{");
    let forward = "model forward --model run/model.safetensors --input x.npy --output y.npy";
    let ran = with_memory(&scratch, 700_000, forward);
    assert_eq!((ran.code, sentence(&ran.err).starts_with("x.npy: not a usable .npy array: its header claims")), (1, true));
    scratch.write("x.npy", crate::fixture::npy("<f8", false, "(1, 30000, 30000, 3)", &[0; 64]));
    let ran = with_memory(&scratch, 700_000, forward);
    assert!(sentence(&ran.err).ends_with("needs 21600000000 bytes and 64 follow its header"), "{}", ran.err);
}

#[test]
fn a_log_takes_the_memory_of_one_line() {
    let scratch = Scratch::new();
    // A line of a gigabyte, which takes no space, before those of the run.
    let own = scratch.read("run/log.jsonl");
    let mut log = std::fs::File::create(scratch.path("run/log.jsonl")).unwrap();
    log.seek(SeekFrom::Start(1 << 30)).unwrap();
    log.write_all(&[b"\n", &own[..]].concat()).unwrap();
    let warning = "warning: run/log.jsonl: line 1 is no line of a log and is left out";
    let ran = with_memory(&scratch, 900_000, "evaluate --model run/model.safetensors --data cloth --out new");
    assert!(ran.code == 0 && ran.err.contains(warning) && !ran.err.contains("no curve"), "{}", ran.err);
    let ran = with_memory(&scratch, 900_000, "train --config c.toml --data cloth --out run --resume");
    assert!(ran.code == 0 && ran.err.contains(warning), "{}", ran.err);
    assert!(scratch.read("run/log.jsonl") == own);
    assert_eq!(scratch.path("run/log.jsonl.damaged").metadata().unwrap().len(), (1 << 30) + 1 + own.len() as u64);
}

#[test]
fn only_regular_files_are_inputs() {
    let scratch = Scratch::new();
    assert!(Command::new("mkfifo").arg(scratch.path("pipe")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(scratch.path("socket")).unwrap();
    std::fs::create_dir_all(scratch.path("maps/bend")).unwrap();
    for (path, what) in [("pipe", "a named pipe"), ("socket", "a socket"), ("/dev/zero", "a device"), ("cloth", "a folder")] {
        for command in [
            format!("detect --model {path} --out new cloth"),
            format!("evaluate --model {path} --data cloth --out new"),
            format!("model summary --weights {path}"),
            format!("model forward --model run/model.safetensors --input {path} --output y.npy"),
            format!("train --config {path} --data cloth --out new"),
            format!("data preview --config {path} --config c.toml --data cloth --out new.png"),
            format!("profile --from {path}"),
            format!("profile --diff {path} {path}"),
            format!("kernels --diff {path} {path}"),
            format!("figures --ablation {path} --only ablation --out new"),
        ] {
            let mut child = orthoscope();
            child.args(command.split_whitespace()).current_dir(scratch.path("")).stdin(Stdio::null());
            let ran = told(child.output().unwrap());
            let text = sentence(&ran.err);
            assert_eq!((ran.code, text.as_str()), (1, format!("{path}: is {what}; a file is needed here").as_str()), "{command}");
        }
    }
    for path in ["pipe", "socket", "/dev/zero"] {
        let ran = scratch.run(&format!("detect --model run/model.safetensors --out new {path}"));
        assert!(ran.err.contains("; a file or a folder is needed here"), "{}", ran.err);
    }
}

#[test]
fn a_config_of_many_megabytes_gives_a_short_message() {
    let scratch = Scratch::new();
    scratch.write("c.toml", format!("[data]\nfit = '{}'\n", "x".repeat(900_000)));
    let text = scratch.refuses("train --config c.toml --data cloth --out new");
    assert!(text.starts_with("c.toml: line 2, `fit = 'xxx") && text.len() < 2_000, "{}", text.len());
    scratch.write("c.toml", "x".repeat(2_000_000));
    let text = scratch.refuses("train --config c.toml --data cloth --out new");
    assert_eq!(text, "c.toml: has 2000000 bytes; at most 1048576 are read");
}
