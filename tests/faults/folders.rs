//! Folders that are missing, empty, or contain only one class of images.

use std::fs;

use crate::fixture::Scratch;

const TRAIN: &str = "train --config c.toml --data cloth --out new";
const EVALUATE: &str = "evaluate --model run/model.safetensors --data cloth --out new";

#[test]
fn errors_name_missing_and_empty_folders() {
    let scratch = Scratch::new();
    for command in ["train --data none --out new", "evaluate --model run/model.safetensors --data none --out new"] {
        assert_eq!(scratch.refuses(command), "none: there is no such folder");
    }
    assert!(scratch.refuses("train --data run --out new").starts_with("run: has no folder train/good"));
    fs::create_dir(scratch.path("bare")).unwrap();
    let detect = |path: &str| scratch.refuses(&format!("detect --model run/model.safetensors --out new {path}"));
    assert_eq!(detect("bare"), "bare: contains no image; PNG, JPEG, TIFF, BMP, WebP and PNM are read");
    assert_eq!(detect("none.png"), "none.png: there is no such file or folder");
    fs::remove_dir_all(scratch.path("cloth/train/good")).unwrap();
    fs::create_dir(scratch.path("cloth/train/good")).unwrap();
    assert_eq!(scratch.refuses(TRAIN), "cloth/train/good: contains no image; PNG, JPEG, TIFF, BMP, WebP and PNM are read");
    fs::remove_dir_all(scratch.path("cloth/test")).unwrap();
    fs::remove_dir_all(scratch.path("cloth/train")).unwrap();
    assert!(scratch.refuses(EVALUATE).starts_with("cloth has no folder test, so there is nothing to evaluate; "));
}

#[test]
fn a_misspelt_path_is_compared_with_its_neighbours() {
    let scratch = Scratch::new();
    let model = "--model run/model.safetensors";
    let folder = "there is no such folder; did you mean ";
    let either = "there is no such file or folder; did you mean ";
    for (command, reason) in [
        ("train --data clth --out new".to_owned(), format!("clth: {folder}cloth?")),
        (format!("evaluate {model} --data Clot --out new"), format!("Clot: {folder}cloth?")),
        ("train --normal cloth/tran/good --out new".to_owned(), format!("cloth/tran/good: {folder}cloth/train/good?")),
        (
            format!("evaluate {model} --normal cloth/test/good --abnormal cloth/test/stian --out new"),
            format!("cloth/test/stian: {folder}cloth/test/stain?"),
        ),
        (
            format!(
                "evaluate {model} --normal cloth/test/good --abnormal cloth/test/stain --masks cloth/ground_thruth --out new"
            ),
            format!("cloth/ground_thruth: {folder}cloth/ground_truth?"),
        ),
        (format!("detect {model} --out new cloth/tset"), format!("cloth/tset: {either}cloth/test?")),
        ("detect --model rum/model.safetensors --out new cloth".to_owned(), {
            "rum/model.safetensors: no such file; did you mean run/model.safetensors?".to_owned()
        }),
        ("evaluate --model run/modell.safetensors --data cloth --out new".to_owned(), {
            "run/modell.safetensors: no such file; did you mean run/model.safetensors?".to_owned()
        }),
        ("compare run rnu".to_owned(), format!("rnu: {folder}run?")),
        (
            "metrics --maps rum --data cloth".to_owned(),
            "rum: there is no such folder, or it is a file; did you mean run?".to_owned(),
        ),
    ] {
        assert_eq!(scratch.refuses(&command), reason, "{command}");
    }
    assert_eq!(scratch.refuses(&format!("detect {model} --out new cloth/test/good/007.png")), {
        "cloth/test/good/007.png: there is no such file or folder"
    });
}

#[test]
fn maps_for_a_test_set_of_one_class_define_no_metric() {
    const METRICS: &str = "metrics --maps run --data cloth --json";
    let scratch = Scratch::new();
    fs::remove_dir_all(scratch.path("cloth/test/good")).unwrap();
    let reason = "image AUROC is not defined here: the test set of cloth has 0 good and 5 anomalous images; both are needed";
    assert_eq!(scratch.refuses(METRICS), reason);
    let scratch = Scratch::new();
    fs::remove_dir_all(scratch.path("cloth/ground_truth")).unwrap();
    for kind in scratch.names("cloth/test").iter().filter(|kind| *kind != "good") {
        fs::remove_dir_all(scratch.path("cloth/test").join(kind)).unwrap();
    }
    let reason = "image AUROC is not defined here: the test set of cloth has 3 good and 0 anomalous images; both are needed";
    assert_eq!(scratch.refuses(METRICS), reason);
}

#[test]
fn failed_generation_leaves_no_partial_dataset() {
    let scratch = Scratch::new();
    let text = scratch.refuses("data generate --out . --size 32 --train 1 --good 1 --defects 1");
    assert!(text.ends_with("cloth: exists and is not empty; choose another folder or remove it first"), "{text}");
    fs::create_dir(scratch.path("new")).unwrap();
    scratch.write("new/wood/mine.txt", "mine");
    let text = scratch.refuses("data generate --out new --size 32 --train 1 --good 1 --defects 1");
    assert!(text.starts_with("new/wood: exists and is not empty"), "{text}");
    for (options, range) in [("--size 31", "32 to 8192"), ("--size 99999", "32 to 8192"), ("--train 0", "1 to 4294967295")] {
        let text = scratch.misused(&format!("data generate --out fresh --family grid {options}"));
        assert!(text.contains(&format!(": a whole number from {range} is needed\n")), "{options}: {text}");
    }
    let text = scratch.refuses("data generate --out fresh --family grid --good 0 --defects 0");
    assert!(text.contains("at least one"), "{text}");
}

#[test]
fn results_are_never_written_among_the_images() {
    let scratch = Scratch::new();
    let model = "--model run/model.safetensors --data cloth";
    for (out, part) in [("cloth/train/new", "train"), ("cloth/test", "test"), ("cloth/ground_truth/../test/new/deep", "test")] {
        for command in [
            "train --config c.toml --data cloth",
            "evaluate {model}",
            "validate {model}",
            "figures {model}",
            "audit {model}",
            "data validation --config c.toml --data cloth",
        ] {
            let text = scratch.refuses(&format!("{} --out {out}", command.replace("{model}", model)));
            assert_eq!(text, format!("{out}: is among the images of cloth/{part}; choose another folder"), "{command}");
        }
    }
    for maps in [".", "cloth/test"] {
        let text = scratch.refuses(&format!("evaluate {model} --out new --maps {maps}"));
        assert!(text.ends_with("is among the images of cloth/test; choose another folder"), "{text}");
    }
    assert_eq!(scratch.names("cloth/test").len(), 6);
    assert!(
        scratch.refuses(&format!("evaluate {model} --out cloth/new/../test/x")).contains("is among the images of cloth/test")
    );
    // Elsewhere in the folder of the category nothing is read.
    scratch.succeeds(&format!("evaluate {model} --out cloth/test/../results --maps cloth/maps"));
    assert!(scratch.path("cloth/results/metrics.json").exists());
}

#[test]
fn pictures_in_subfolders_are_read_and_linked_folders_that_are_passed_over_are_named() {
    let scratch = Scratch::new();
    let image = scratch.read("cloth/test/good/000.png");
    scratch.write("cloth/train/good/more/000.png", &image);
    scratch.write("cloth/test/stain/more/000.png", &image);
    scratch.write("cloth/ground_truth/stain/more/000_mask.png", scratch.read("cloth/ground_truth/stain/000_mask.png"));
    let ran = scratch.succeeds(&format!("{TRAIN} -v"));
    assert!(ran.err.contains("6 images to train on, 1 held out"), "{}", ran.err);
    scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out report --maps maps");
    let metrics = scratch.json("report/metrics.json");
    let paths: Vec<&str> = metrics["images"].as_array().unwrap().iter().map(|image| image["path"].as_str().unwrap()).collect();
    assert!(paths.contains(&"stain/000.png") && paths.contains(&"stain/more/000.png"), "{paths:?}");
    assert!(
        scratch.path("maps/cloth/test/stain/000.npy").exists() && scratch.path("maps/cloth/test/stain/more/000.npy").exists()
    );
    #[cfg(unix)]
    {
        let link = |to: &str, name: &str| {
            std::os::unix::fs::symlink(scratch.path(to), scratch.path(format!("cloth/test/good/{name}"))).unwrap();
        };
        link("cloth/test/stain", "linked");
        link("cloth/test/stain", "twice");
        link("cloth/test", "above");
        let ran = scratch.succeeds("detect --model run/model.safetensors --out found cloth/test/good");
        let found = ["linked", "twice"].map(|name| scratch.path(format!("found/{name}/more/000.json")).exists());
        assert_eq!(found, [true, false], "the first link is followed");
        for (name, words) in
            [("above", "is a link to a folder that holds this one"), ("twice", "is reached a second time, through a link")]
        {
            let warning = format!("cloth/test/good/{name}: {words}, so it is passed over");
            assert!(ran.err.contains(&warning), "{}", ran.err);
        }
    }
}

#[cfg(unix)]
#[test]
fn a_missing_mask_is_explained_by_what_hides_it() {
    let scratch = Scratch::new();
    let refused = || {
        let ran = scratch.run(EVALUATE);
        assert_eq!(ran.code, 1, "{}", ran.err);
        ran.err
    };
    let folder = scratch.path("cloth/ground_truth/stain");
    fs::rename(&folder, scratch.path("masks")).unwrap();
    let text = refused();
    let expected = "this defect image has no mask cloth/ground_truth/stain/000_mask.png; if there is no folder cloth/ground_truth, `evaluate` needs no \
                    masks, and has metrics of whole images only\n";
    assert!(text.ends_with(expected), "{text}");
    std::os::unix::fs::symlink("stain", &folder).unwrap();
    let text = refused();
    let start = "cloth/test/stain/000.png: the mask cloth/ground_truth/stain/000_mask.png of this defect image cannot be used: \
                 cloth/ground_truth/stain: cannot be read: ";
    assert!(text.contains(start), "{text}");
    fs::remove_file(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink("000_mask.png", folder.join("000_mask.png")).unwrap();
    let text = refused();
    assert!(text.contains("cannot be used: cloth/ground_truth/stain/000_mask.png: cannot be read: "), "{text}");
}

#[test]
fn folders_of_other_programs_and_links_in_a_circle_are_no_kinds_of_defects() {
    let scratch = Scratch::new();
    for place in ["test/@eaDir", "test/__MACOSX/hole", "ground_truth/@eaDir"] {
        scratch.write(format!("cloth/{place}/000.png"), scratch.read("cloth/test/good/000.png"));
    }
    #[cfg(unix)]
    for part in ["test", "ground_truth"] {
        std::os::unix::fs::symlink("loop", scratch.path(format!("cloth/{part}/loop"))).unwrap();
    }
    let ran = scratch.succeeds(EVALUATE);
    let metrics = scratch.json("new/metrics.json");
    assert_eq!(metrics["image_auroc_by_kind"].as_object().unwrap().len(), 5, "{metrics}");
    #[cfg(unix)]
    {
        assert!(ran.err.contains("2 of 10 files skipped: test/loop: cannot be read: "), "{}", ran.err);
        let names: Vec<&str> = metrics["skipped"].as_array().unwrap().iter().map(|one| one["file"].as_str().unwrap()).collect();
        assert_eq!(names, ["test/loop", "ground_truth/loop"]);
    }
}

#[test]
fn masks_of_good_images_must_be_black() {
    use orthoscope::data::{Plane, write_mask_png};
    let scratch = Scratch::new();
    let write = |name: &str, plane: &Plane| {
        fs::create_dir_all(scratch.path("cloth/ground_truth/good")).unwrap();
        write_mask_png(&scratch.path(format!("cloth/ground_truth/good/{name}")), plane).unwrap();
    };
    write("000_mask.png", &Plane::zeros((32, 32)));
    let whole = scratch.succeeds(EVALUATE);
    assert!(!whole.err.contains("mark no pixel"), "{}", whole.err);
    let mut marked = Plane::zeros((32, 32));
    marked[[3, 4]] = 1.0;
    write("001.png", &marked);
    let reason = "cloth/ground_truth/good/001.png: marks 1 pixels of cloth/test/good/001.png, which is among the good images";
    assert_eq!(scratch.refuses(EVALUATE), reason);
    fs::remove_file(scratch.path("cloth/ground_truth/good/001.png")).unwrap();
    write("009.png", &Plane::zeros((32, 32)));
    let expected = "good/009.png: this mask has no image in test/good; add that, or move the mask out of cloth/ground_truth";
    assert!(scratch.refuses(EVALUATE).ends_with(expected));
}
