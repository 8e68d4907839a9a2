//! Invalid config files.

use crate::fixture::Scratch;

#[test]
fn config_errors_are_one_sentence_with_the_key() {
    let scratch = Scratch::new();
    for (text, reason) in [
        ("[train]\nrates = 0.1", "line 2, config key `train.rates`: there is no such key; did you mean `train.learning_rate`?"),
        ("[corruption.size]\nmax = 0.5\nbig = 1", "line 3, config key `corruption.size.big`: there is no such key"),
        ("[model]\nwidht = 3", "line 2, config key `model.widht`: there is no such key; did you mean `model.width`?"),
        ("colour = 1", "line 1, config key `colour`: there is no such key"),
        ("[trian]\nsteps = 3", "line 1, config key `trian`: there is no such key; did you mean `train`?"),
        ("[train]\nsteps = 0", "line 2, config key `train.steps`: must be 1 to 4294967295, got 0"),
        ("[train]\nrate = nan", "line 2, config key `train.learning_rate`: must be "),
        ("[train]\nbatch = 0", "line 2, config key `train.batch`: must be "),
        ("[model]\nmodel = 3", "line 2, config key `model.model`: must be "),
        ("[data]\nheld_out = 0.9", "line 2, config key `data.held_out`: must be 0 to 0.5, got 0.9"),
        ("[objective]\nlambda = 2.0", "line 2, config key `objective.lambda`: must be 0 to 1, got 2"),
        ("[objective]\nlambda = -0.1", "line 2, config key `objective.lambda`: must be 0 to 1, got -0.1"),
        ("[data]\nsize = 100", "line 2, config key `data.size`: must be a multiple of 8 from 8 to 8192, got 100"),
        ("[model]\ndilations = []", "line 2, config key `model.dilations`: needs 1 to "),
        ("[detection]\nwindow = 4", "line 2, config key `detection.window`: must be odd"),
        ("[corruption.patches]\nmin = 9", "line 2, config key `corruption.patches.min`: 9 exceeds patches.max 6"),
        (
            "[objective]\npenalty = 'cubic'",
            "line 2, `penalty = 'cubic'` in [objective]: must be `squared` or `charbonnier`, got `cubic`",
        ),
        ("[data]\nfit = 'zoom'", "line 2, `fit = 'zoom'` in [data]: must be one of `stretch`, `crop`, `native`, got `zoom`"),
        ("[train]\n\nrate = 'fast'", "line 3, `rate = 'fast'` in [train]: must be a number, got \"fast\""),
        ("[train]\nsteps = 1.5", "line 2, `steps = 1.5` in [train]: must be a whole number, zero or more, got 1.5"),
        ("seed = -1", "line 1, `seed = -1`: must be a whole number, zero or more, got -1"),
        ("[augment]\nflip_vertical = 1", "line 2, `flip_vertical = 1` in [augment]: must be true or false, got 1"),
        ("[data]\ntextures = 1", "line 2, `textures = 1` in [data]: must be text in quotes, got 1"),
        ("[model]\nmodel = 300", "line 2, config key `model.model`: must be 1 or 2, got 300"),
        ("[model]\ndilations = 1", "line 2, `dilations = 1` in [model]: must be a list in brackets, got 1"),
        ("model = 2", "line 1, `model = 2`: must be a table of keys, got 2"),
        ("[train\nsteps = 3", "line 1, `[train`: "),
        ("[train]\n[model", "line 2, `[model`: "),
        ("seed = 1\nseed = 2", "line 2, `seed = 2`: the key has a value already; remove one of the two"),
        // Beyond what a file can hold, the range is still that of the key.
        (
            "[train]\nsteps = 99999999999999999999",
            "line 2, config key `train.steps`: must be 1 to 4294967295, got 99999999999999999999",
        ),
        (
            "[data]\nsize = 10000000000000000000",
            "line 2, config key `data.size`: must be a multiple of 8 from 8 to 8192, got 10000000000000000000",
        ),
        ("[model]\nmodel = -99999999999999999999", "line 2, config key `model.model`: must be 1 or 2, got -99999999999999999999"),
        (
            "[objective]\nlambda = 10000000000000000000",
            "line 2, config key `objective.lambda`: must be 0 to 1, got 10000000000000000000",
        ),
        ("[model]\ndilations = [1, 0x8000000000000000]", "line 2, config key `model.dilations`: "),
        (
            "seed = 10_000_000_000_000_000_000",
            "line 1, `seed = 10_000_000_000_000_000_000`: must be a whole number from 0 to 9223372036854775807, got 10_000_000_000_000_000_000",
        ),
        ("[[train]]\nsteps = 3", "line 1, `[[train]]`: one table is needed here, not a list of tables; write [train]"),
        (
            "[corruption]\n[[corruption.size]]\nmax = 0.5",
            "line 2, `[[corruption.size]]`: one table is needed here, not a list of tables; write [corruption.size]",
        ),
        (
            "train = [{ steps = 3 }]",
            "line 1, `train = [{ steps = 3 }]`: one table is needed here, not a list of tables; write [train]",
        ),
        (
            "[train]\nbatch = 99999999999999999999\nsteps = 99999999999999999999",
            "line 2, config key `train.batch`: must be 1 to 65535, got 99999999999999999999",
        ),
        ("[train]\nsteps =\nbatch = 2", "line 2, `steps =` in [train]: a value is missing after the `=`"),
        (
            "[train]\nsteps = 3\n[train]\nbatch = 2",
            "line 3, `[train]`: the name is taken in line 1 already; put all keys of a section together, below one heading",
        ),
        ("[data]\nfit = 3", "line 2, `fit = 3` in [data]: must be one of `stretch`, `crop`, `native`, got 3"),
        ("[data]\nfit = []", "line 2, `fit = []` in [data]: must be one of `stretch`, `crop`, `native`, got []"),
        (
            "[data]\nfit = 2026-01-01",
            "line 2, `fit = 2026-01-01` in [data]: must be one of `stretch`, `crop`, `native`, got 2026-01-01",
        ),
        (
            "[train]\nsteps = 2026-01-01",
            "line 2, `steps = 2026-01-01` in [train]: must be a whole number, zero or more, got a date",
        ),
        ("train = 12:00:00", "line 1, `train = 12:00:00`: must be a table of keys, got a time of day"),
        ("train = 2026-01-01", "line 1, `train = 2026-01-01`: must be a table of keys, got a date"),
        ("[train]\nsteps = 12:00", "line 2, `steps = 12:00` in [train]: must be a whole number, zero or more, got a time of day"),
        (
            "seed = 1\ntrain = [7, 3]",
            "line 2, `train = [7, 3]`: must be a table of keys, got a list; write [train], and each key with its value below it",
        ),
        ("[model]\nwidth = -1", "line 2, config key `model.width`: must be 1 to 4096, got -1"),
        ("[train]\nrate = 9999999999999999999999999999999999999999", "line 2, config key `train.learning_rate`: must be "),
        ("[data]\nfit = { crop = 1 }", "line 2, `fit = { crop = 1 }` in [data]: `data.fit` takes a value, and no table of keys"),
        ("[train]\nsteps = {}", "line 2, `steps = {}` in [train]: `train.steps` takes a value, and no table of keys"),
        ("[train.steps]\nfirst = 3", "line 1, `[train.steps]`: `train.steps` takes a value, and no table of keys"),
        (
            "[train]\nrate = 0.1\nlearning_rate = 0.1",
            "line 2, config key `train.rate`: is the old name of `train.learning_rate`, which is set too; remove one of them",
        ),
        (
            "[data]\nsize = 64\ntextures = 'nowhere'",
            "line 3, config key `data.textures`: nowhere: there is no such file or folder; the path starts at the working directory",
        ),
        (
            "[detection]\ntile = 9223372036854775808",
            "line 2, config key `detection.tile`: must be 0 or a multiple of 8 from 32 to 4294967288, got 9223372036854775808",
        ),
        (
            "[detection]\noverlap = 9223372036854775808",
            "line 2, config key `detection.overlap`: must be a multiple of 8 from 0 to 4294967288, got 9223372036854775808",
        ),
        // It does not reach the terminal as it is.
        ("\u{7f}", "line 1, `\\u{7f}`: "),
    ] {
        scratch.write("c.toml", text);
        for command in ["train --config c.toml --data cloth --out new", "data preview --config c.toml --data cloth --out new.png"]
        {
            let error = scratch.refuses(command);
            assert!(error.starts_with(&format!("c.toml: {reason}")), "{text:?}: {error}");
        }
    }
    assert!(scratch.refuses("train --config none.toml --data cloth --out new").starts_with("none.toml: "));
    scratch.write("c.toml", b"seed = 1 # \xff");
    assert!(scratch.refuses("train --config c.toml --data cloth --out new").starts_with("c.toml: "));
}

#[test]
fn later_config_files_override_earlier_ones() {
    let scratch = Scratch::new();
    scratch.write(
        "base.toml",
        "seed = 7\n[corruption.patches]\nmin = 9\nmax = 9\n[train]\nsteps = 2\nbatch = 1\n[model]\nwidth = 2\n[data]\nsize = 32",
    );
    // Its minimum exceeds the default maximum, which counts only in the merged config.
    scratch.write("own.toml", "[corruption.patches]\nmin = 8\n[train]\nlearning_rate = 0.5");
    let command = "train --data cloth --out new --config base.toml --config own.toml";
    scratch.succeeds(command);
    let text = String::from_utf8(scratch.read("new/config.toml")).unwrap();
    for line in ["seed = 7", "min = 8", "max = 9", "learning_rate = 0.5", "steps = 2"] {
        assert!(text.lines().any(|own| own == line), "{line} in {text}");
    }
    scratch.write("own.toml", "[corruption.patches]\nmin = 10");
    assert_eq!(scratch.refuses(command), "own.toml: config key `corruption.patches.min`: 10 exceeds patches.max 9");
    scratch.write("base.toml", "[train]\nrate = 0.5");
    scratch.write("own.toml", "[train]\nlearning_rate = 0.5");
    assert!(scratch.refuses(command).starts_with("own.toml: config key `train.rate`: is the old name of"));
    scratch.write("base.toml", "[train]\nstep = 2");
    assert!(scratch.refuses(command).starts_with("base.toml: line 2, config key `train.step`: there is no such key"));
}

#[test]
fn an_empty_config_means_the_defaults() {
    let scratch = Scratch::new();
    scratch.write("c.toml", "");
    scratch.succeeds("data preview --data cloth --config c.toml --out with.png --count 1");
    scratch.succeeds("data preview --data cloth --out without.png --count 1");
    assert!(scratch.read("with.png") == scratch.read("without.png"));
}

#[test]
fn command_line_values_are_checked_like_config_values() {
    let scratch = Scratch::new();
    for command in ["train --config c.toml --data cloth --out new", "reproduce --data . --out new", "demo --out new"] {
        for steps in ["1e19", "99999999999999999999", "18446744073709551616", "1.5", "many", "0", "-1", "-0.5"] {
            let text = scratch.misused(&format!("{command} --steps {steps}"));
            assert!(
                text.contains(&format!("'{steps}' for '--steps <"))
                    && text.contains(": a whole number from 1 to 4294967295 is needed\n"),
                "{text}"
            );
        }
    }
    for budget in ["1e19", "0", "soon", "-1", "-inf", "-1e-9"] {
        let text = scratch.misused(&format!("train --config c.toml --data cloth --out new --budget {budget}"));
        assert!(text.contains(": a number of minutes above 0 and at most 1000000000 is needed\n"), "{text}");
    }
    for (command, option, range) in [
        ("train --config c.toml --data cloth --out new", "--seed <SEED>", "a whole number from 0 to 9223372036854775807"),
        ("model init --model 1 --out new", "--width <WIDTH>", "a whole number from 1 to 4096"),
        ("model summary", "--size <SIZE>", "a multiple of 8 from 8 to 65528"),
        ("detect --model run/model.safetensors --out new cloth", "--tile <PX>", "0 or a multiple of 8 from 32 to 4294967288"),
        (
            "evaluate --model run/model.safetensors --data cloth --out new",
            "--overlap <PX>",
            "a multiple of 8 from 0 to 4294967288",
        ),
    ] {
        let name = option.split(' ').next().unwrap();
        for value in ["1e19", "18446744073709551616", "-1", "x"] {
            let text = scratch.misused(&format!("{command} {name} {value}"));
            assert!(text.starts_with(&format!("error: invalid value '{value}' for '{option}': {range} is needed\n")), "{text}");
        }
    }
    assert!(scratch.refuses("model summary --size 40000").contains("has more than 2^32-1 elements"));
    // A negative threshold is one.
    scratch.succeeds("detect --model run/model.safetensors --out found --threshold -1e-9 --pixel-threshold -1 cloth/test/good");
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_fit_into_memory_is_refused_before_images_are_read() {
    let scratch = Scratch::new();
    // No image, so that reading it would be another error.
    scratch.write("cloth/train/good/000.png", "no image");
    let run = |command: &str| {
        let script = format!("ulimit -v 3000000; exec {} {command}", env!("CARGO_BIN_EXE_orthoscope"));
        let ran = std::process::Command::new("sh").args(["-c", &script]).current_dir(scratch.path("")).output().unwrap();
        let ran = crate::fixture::told(ran);
        assert_eq!(ran.code, 1, "{command}: {}", ran.err);
        ran.err
    };
    let limited = |command: &str| crate::fixture::sentence(&run(command));
    for (from, to, key) in [
        ("size = 32", "size = 8192", "data.size"),
        ("batch = 2", "batch = 65535", "train.batch"),
        ("width = 2", "width = 4096", "model.width"),
        ("size = 32", "size = 8192\nfit = 'crop'\nshorter_side = 8192", "data.size"),
    ] {
        scratch.write("absurd.toml", crate::fixture::CONFIG.replace(from, to));
        let text = limited("train --device cpu --threads 2 --config absurd.toml --data cloth --out new");
        assert!(text.starts_with(&format!("config key `{key}`: ")), "{to}: {text}");
        assert!(!scratch.path("new").exists());
    }
    let text = limited("model init --model 2 --width 2048 --threads 2 --out new.safetensors");
    assert!(text.starts_with("config key `model.width`: ") && text.contains(" of memory are free"), "{text}");
    let command = "evaluate --device cpu --threads 2 --model run/model.safetensors --data cloth --out new --resolution 8192";
    let text = limited(command);
    let is_advised = |text: &str| {
        let advice = text.split_once("; a smaller resolution needs less: ").expect(text).1;
        let side: u64 = advice.split_once("iB are enough for --resolution ").expect(text).1.parse().unwrap();
        (64..8192).contains(&side) && text.contains(" maps of 8192x8192 pixels would need at least ")
    };
    assert!(is_advised(&text), "{text}");
    let figures = "figures --device cpu --threads 2 --model run/model.safetensors --only roc --data cloth --out new";
    for command in ["metrics --threads 2 --maps run --data cloth", figures] {
        let text = limited(&format!("{command} --resolution 8192"));
        assert!(is_advised(&text), "{command}: {text}");
    }
    // The images would fit, but not the maps of half of them as well.
    let config = String::from_utf8(scratch.read("run/config.toml")).unwrap();
    let large = config.replace("\nsize = 32\n", "\nsize = 5400\n").replace("held_out = 0.1\n", "held_out = 0.5\n");
    scratch.write("large/config.toml", large);
    scratch.write("large/model.safetensors", scratch.read("run/model.safetensors"));
    let text = limited("validate --device cpu --threads 2 --model large/model.safetensors --data cloth --out new");
    assert!(text.starts_with("6 images, and maps of 3 of them, would need at least 3.3 GiB, and "), "{text}");
    assert!(text.ends_with("or train a model with a smaller data.size") && !scratch.path("new").exists(), "{text}");
    // As a program that uses the library: nobody has looked at the network before.
    scratch.write("absurd.toml", crate::fixture::CONFIG.replace("width = 2", "width = 4096"));
    let text = run("reproduce --device cpu --threads 2 --data . --config absurd.toml --out all");
    assert!(text.contains("cloth seed 0 failed: config key `model.width`: this would need at least "), "{text}");
    scratch.write("absurd.toml", crate::fixture::CONFIG.replace("batch = 2", "batch = 65536"));
    let text = scratch.refuses("train --config absurd.toml --data cloth --out new");
    assert_eq!(text, "absurd.toml: line 8, config key `train.batch`: must be 1 to 65535, got 65536");
}
