//! How much memory a command will need at least, against how much is free, so that what cannot end well does not begin.
//!
//! Every need is a lower bound: nothing is refused that would have been possible.

use std::path::{Component, Path, PathBuf};

use super::config::Config;
use super::held_out::held_out_count;
use crate::backend::Storage;
use crate::data::{Category, Fit, Preparation, read_size};
use crate::detect::Resolution;
use crate::error::{Error, Result};
use crate::model::Architecture;
use crate::shape::Shape;

/// Bytes of a value in f32.
const VALUE: u64 = 4;
/// Values of a pixel of an image, and of a pixel of a sample: corrupted image, target, region.
const IMAGE: u64 = 3;
const SAMPLE: u64 = 7;
/// Tensors that a training holds for each parameter: itself, its gradient, two moments.
const STATES: u64 = 4;
/// Values that a checkpoint has for each parameter: itself, its moving average, two moments.
const SAVED: u64 = 4;
/// Bytes that an evaluation keeps of each pixel: score and ground truth, and both once more to be sorted.
const EVALUATED: u64 = 16;

/// Refuses a training that cannot fit into the free memory: its images as prepared, and on a CPU also the batch, weights and
/// results of layers.
///
/// # Errors
/// Too little memory, with the key of the largest part; a network with more elements than 32 bits can number.
pub fn check_training_memory(config: &Config, images: &[PathBuf], is_on_cpu: bool) -> Result<()> {
    check(&training_needs(config, images.len(), |number| read_size(&images[number]).ok(), is_on_cpu)?, free_memory())
}

/// Refuses steps of a training that cannot fit into the free memory, on a device that uses that of the program: batch, weights
/// and results of layers.
///
/// # Errors
/// As [`check_training_memory`].
pub(super) fn check_step_memory(backend: &impl Storage, config: &Config) -> Result<()> {
    check_with_spare(&network_needs(config)?, free_memory(), backend.spare_host_memory())
}

/// Refuses a validation of which the images as prepared, and the maps of those held out, cannot fit into the free memory. How
/// many copies with defects there will be, only the images tell.
///
/// # Errors
/// Too little memory.
pub fn check_validation_memory(config: &Config, images: &[PathBuf]) -> Result<()> {
    let (count, held_out) = (images.len(), held_out_count(images.len(), config.data.held_out));
    let all = image_need(config, count, |number| read_size(&images[number]).ok()).bytes;
    // Where nothing is held out, all images are there twice, and all are judged.
    let (judged, images) = if held_out == 0 { (count, times(&[all, 2])) } else { (held_out, all) };
    let side = least_side(config) as u64;
    let maps = times(&[judged as u64, side, side, EVALUATED]);
    match shortage(images.saturating_add(maps), free_memory()) {
        Some(numbers) => Err(Error::argument(format!("{count} images, and maps of {judged} of them, {numbers}; {MORE}"))),
        None => Ok(()),
    }
}

/// Refuses a validation set whose maps cannot fit into the free memory.
///
/// # Errors
/// Too little memory.
pub(super) fn check_validation_maps(set: &Category) -> Result<()> {
    let (pixels, images) = (set.test_pixels().0, set.test.len());
    match shortage(times(&[pixels, EVALUATED]), free_memory()) {
        Some(numbers) => Err(Error::argument(format!("{images} maps of the validation set {numbers}; {MORE}"))),
        None => Ok(()),
    }
}

/// What helps if the settings are those of a model.
const MORE: &str =
    "use a machine with more memory, cut native images into smaller ones, or train a model with a smaller data.size";

/// What a training on prepared images of these heights and widths needs at least, in bytes.
///
/// # Errors
/// As [`check_training_memory`], but for too little memory.
pub fn training_memory(config: &Config, images: &[[u32; 2]], is_on_cpu: bool) -> Result<u64> {
    let needs = training_needs(config, images.len(), |number| Some(images[number]), is_on_cpu)?;
    Ok(needs.iter().fold(0, |sum, need| sum.saturating_add(need.bytes)))
}

/// Refuses an evaluation whose maps cannot fit into the free memory. `model` is how the images are prepared for the model that
/// makes the maps; None if the maps are made elsewhere.
///
/// # Errors
/// Too little memory.
pub fn check_evaluation_memory(category: &Category, resolution: Resolution, model: Option<&Preparation>) -> Result<()> {
    let images = category.test.len() as u64;
    let of_side = |side: usize| (times(&[images, side as u64, side as u64]), format!("{images} maps of {side}x{side} pixels"));
    let (pixels, maps) = match (resolution, model) {
        (Resolution::Side(side), _) => of_side(side),
        (Resolution::Model, Some(preparation)) if !preparation.keeps_size() => of_side(preparation.size),
        (Resolution::Native, _) | (Resolution::Model, Some(_)) => {
            (category.test_pixels().0, format!("{images} maps of the size of their images"))
        }
        // Only the files tell how large maps made elsewhere are.
        (Resolution::Model, None) => return Ok(()),
    };
    let free = free_memory();
    match shortage(times(&[pixels, EVALUATED]), free) {
        Some(numbers) => Err(Error::argument(format!("{maps} {numbers}; {}", less_resolution(images, free.unwrap_or(0))))),
        None => Ok(()),
    }
}

/// A resolution whose maps need at most half of the free memory, in words.
fn less_resolution(images: u64, free: u64) -> String {
    let needs = |side: u64| times(&[images, side, side, EVALUATED]);
    match (6..13).rev().map(|power| 1_u64 << power).find(|&side| needs(side) <= free / 2) {
        Some(side) => {
            format!("a smaller resolution needs less: {} are enough for --resolution {side}", memory_words(needs(side)))
        }
        None => "test on fewer images".to_owned(),
    }
}

/// Refuses new weights that cannot fit into the free memory.
///
/// # Errors
/// As [`check_training_memory`].
pub fn check_weight_memory(architecture: &Architecture) -> Result<()> {
    let parameters = architecture.plan(architecture.smallest_input()?)?.parameter_count() as u64;
    // The values, and the bytes of the file.
    let bytes = times(&[parameters, 2, VALUE]);
    check(&[Need { key: "model.width", what: format!("{parameters} weights"), bytes }], free_memory())
}

/// A part of what is needed.
#[derive(Debug)]
struct Need {
    /// The setting that makes it smaller.
    key: &'static str,
    what: String,
    bytes: u64,
}

fn training_needs(
    config: &Config,
    images: usize,
    size: impl Fn(usize) -> Option<[u32; 2]>,
    is_on_cpu: bool,
) -> Result<Vec<Need>> {
    config.validate()?;
    let mut needs = vec![image_need(config, images, size)];
    if is_on_cpu {
        needs.extend(network_needs(config)?);
    }
    Ok(needs)
}

/// The least side of a prepared image.
fn least_side(config: &Config) -> usize {
    let crop = config.data.size;
    if config.data.fit == Fit::Crop { config.data.shorter_side.max(crop) } else { crop }
}

/// What the prepared images need. `size` tells height and width of an image where it can, which counts if images keep their size.
fn image_need(config: &Config, images: usize, size: impl Fn(usize) -> Option<[u32; 2]>) -> Need {
    let side = least_side(config);
    let least = times(&[side as u64, side as u64]);
    let bytes = |pixels: u64| times(&[pixels, IMAGE, VALUE]);
    if !config.preparation().keeps_size() {
        let what = format!("{images} images of at least {side}x{side} pixels");
        return Need { key: "data.size", what, bytes: bytes(times(&[images as u64, least])) };
    }
    let of_image = |number| size(number).map_or(least, |[height, width]| times(&[height.into(), width.into()]));
    let pixels = (0..images).map(of_image).fold(0_u64, u64::saturating_add);
    Need { key: "data.fit", what: format!("{images} images of {pixels} pixels in all"), bytes: bytes(pixels) }
}

/// What batch and network need. The results of its layers are kept for the backward pass.
fn network_needs(config: &Config) -> Result<[Need; 3]> {
    let (size, batch, network) = (config.data.size, config.train.batch, config.architecture());
    let key = if batch > 1 { "train.batch" } else { "data.size" };
    let saved = checkpoint_bytes(config)?;
    let plan = Shape::new(&[batch, size, size, 3]).and_then(|input| network.plan(input));
    let plan = plan.map_err(|error| Error::config(key, format!("{batch} images of {size}x{size} pixels: {error}")))?;
    let values: u64 = plan.layers.iter().map(|layer| layer.output.len() as u64).sum();
    let parameters = plan.parameter_count() as u64;
    Ok([
        Need {
            key,
            what: format!("a batch of {batch} images of {size}x{size} pixels"),
            bytes: times(&[batch as u64, size as u64, size as u64, SAMPLE, VALUE]),
        },
        Need {
            key: "model.width",
            what: format!("{parameters} weights with their gradients and moments, and a checkpoint of them"),
            bytes: times(&[parameters, STATES, VALUE]).saturating_add(saved),
        },
        // At least half of them in bf16.
        Need { key, what: format!("the results of the layers for {batch} images"), bytes: times(&[values, VALUE / 2]) },
    ])
}

/// What a checkpoint takes when it is saved, in bytes: its values, and the file.
///
/// # Errors
/// A network with more elements than 32 bits can number.
pub(super) fn checkpoint_bytes(config: &Config) -> Result<u64> {
    let network = config.architecture();
    let plan = network.smallest_input().and_then(|input| network.plan(input));
    let parameters = plan.map_err(|error| Error::config("model.width", error))?.parameter_count() as u64;
    Ok(times(&[parameters, SAVED, VALUE, 2]))
}

fn check(needs: &[Need], free: Option<u64>) -> Result<()> {
    let whole = needs.iter().fold(0_u64, |sum, need| sum.saturating_add(need.bytes));
    // What would not even fit alone comes first: without it nothing else helps.
    let alone = needs.iter().find(|need| shortage(need.bytes, free).is_some());
    match (shortage(whole, free), alone.or(needs.iter().max_by_key(|need| need.bytes))) {
        (Some(numbers), Some(Need { key, what, bytes })) => {
            let largest = format!("{} of that for {what}", memory_words(*bytes));
            Err(Error::config(*key, format!("this {numbers} ({largest}); {}", remedy(key, alone.is_some(), needs))))
        }
        _ => Ok(()),
    }
}

/// The same for a backend that keeps so many bytes of earlier work for its next; None where it does not use this memory.
fn check_with_spare(needs: &[Need], free: Option<u64>, spare: Option<usize>) -> Result<()> {
    match spare {
        Some(spare) => check(needs, free.map(|free| free.saturating_add(spare as u64))),
        None => Ok(()),
    }
}

/// What helps: the key, and the others of these needs, unless what it stands for does not even fit alone.
fn remedy(key: &str, is_alone: bool, needs: &[Need]) -> String {
    let others = ["train.batch", "data.size", "model.width"].into_iter().filter(|other| {
        let counts = *other == "data.size" || needs.iter().any(|need| need.key == *other);
        *other != key && counts && (!is_alone || key == "train.batch")
    });
    match (key, others.collect::<Vec<_>>().join(" or ")) {
        ("data.fit", _) => "cut the images into smaller ones, or take fewer".to_owned(),
        (_, others) if others.is_empty() => "a smaller value needs less".to_owned(),
        (_, others) => format!("a smaller value needs less, and so does a smaller {others}"),
    }
}

/// In words, how much more is needed than is free.
fn shortage(bytes: u64, free: Option<u64>) -> Option<String> {
    let free = free.filter(|&free| bytes > free)?;
    Some(format!("would need at least {}, and {} of memory are free", memory_words(bytes), memory_words(free)))
}

fn times(factors: &[u64]) -> u64 {
    factors.iter().fold(1, |product, &factor| product.saturating_mul(factor))
}

/// Bytes in binary units, with one digit behind the point.
pub fn memory_words(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64 / f64::from(1 << 20);
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Bytes that the process can still get: what the system has, within the limits of its control groups and of `ulimit -v`. None
/// where the system does not tell.
pub fn free_memory() -> Option<u64> {
    free_below(Path::new("/"))
}

/// The same with the files of the system below `root`.
fn free_below(root: &Path) -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    let system = read("proc/meminfo")?;
    let swap = kilobytes(&system, "SwapFree:").unwrap_or(0);
    let system = kilobytes(&system, "MemAvailable:").map(|bytes| bytes.saturating_add(swap));
    let groups = read("proc/self/cgroup").unwrap_or_default();
    let group = groups.lines().filter_map(|line| left_in_groups(root, line)).min().map(|left| left.saturating_add(swap));
    let mapped = read("proc/self/status").and_then(|text| kilobytes(&text, "VmSize:"));
    let limit = read("proc/self/limits").and_then(|text| address_space(&text));
    let process = limit.zip(mapped).map(|(most, now)| most.saturating_sub(now));
    [system, group, process].into_iter().flatten().min()
}

/// How the two versions of control groups name their files.
struct GroupFiles {
    folder: &'static str,
    most: &'static str,
    now: &'static str,
    /// Parts of `memory.stat`: the cache of files.
    cache: [&'static str; 2],
}

const VERSION_1: GroupFiles = GroupFiles {
    folder: "sys/fs/cgroup/memory",
    most: "memory.limit_in_bytes",
    now: "memory.usage_in_bytes",
    cache: ["total_inactive_file ", "total_active_file "],
};

const VERSION_2: GroupFiles =
    GroupFiles { folder: "sys/fs/cgroup", most: "memory.max", now: "memory.current", cache: ["inactive_file ", "active_file "] };

/// What is left in the group of a line of `/proc/self/cgroup` and in those around it, whichever has least: `0::/PATH`, or
/// `4:memory:/PATH` in version 1. In a container the path may be that outside, so that only the outermost group is found.
fn left_in_groups(root: &Path, line: &str) -> Option<u64> {
    let (_, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let files = match controllers {
        "" => VERSION_2,
        _ if controllers.split(',').any(|name| name == "memory") => VERSION_1,
        _ => return None,
    };
    let top = root.join(files.folder);
    let inner: PathBuf = Path::new(path).components().filter(|part| matches!(part, Component::Normal(_))).collect();
    let group = top.join(inner);
    group.ancestors().take_while(|folder| folder.starts_with(&top)).filter_map(|folder| left_in(folder, &files)).min()
}

/// What a control group can still get. It gives back its cache of files when it is short, although that counts as used.
fn left_in(folder: &Path, files: &GroupFiles) -> Option<u64> {
    let number = |name: &str| std::fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let (most, now) = (number(files.most)?, number(files.now)?);
    let text = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let part = |name: &&str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    let cache = files.cache.iter().filter_map(part).fold(0, u64::saturating_add);
    Some(most.saturating_sub(now).saturating_add(cache))
}

/// A line such as `MemAvailable:   123 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The soft limit in the line `Max address space   4096000000   unlimited   bytes`.
fn address_space(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("Max address space"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TestImage;
    use crate::model::Autoencoder;
    use crate::train::OptimiserConfig;

    fn config(batch: usize, size: usize, width: usize) -> Config {
        let base = Config::default();
        Config {
            model: Autoencoder { width, ..base.model.clone() },
            data: crate::run::DataConfig { size, ..base.data.clone() },
            train: OptimiserConfig { batch, ..base.train.clone() },
            ..base
        }
    }

    #[test]
    fn an_advised_resolution_leaves_half_of_the_memory_free() {
        let least = 1 << 20;
        assert_eq!(less_resolution(8, least), "a smaller resolution needs less: 0.5 MiB are enough for --resolution 64");
        assert!(less_resolution(8, 4 * least).contains("2.0 MiB are enough for --resolution 128"));
        assert!(less_resolution(8, u64::MAX).ends_with("--resolution 4096"), "never the largest");
        assert_eq!(less_resolution(8, least - 1), "test on fewer images");
    }

    #[test]
    fn what_a_backend_keeps_is_free_for_its_next_steps() {
        let needs = [Need { key: "model.width", what: "weights".into(), bytes: 100 }];
        assert!(check_with_spare(&needs, Some(60), Some(0)).is_err());
        assert!(check_with_spare(&needs, Some(60), Some(39)).is_err());
        assert!(check_with_spare(&needs, Some(60), Some(40)).is_ok());
        assert!(check_with_spare(&needs, Some(60), None).is_ok(), "its memory is another one");
    }

    #[test]
    fn the_largest_part_is_named_with_its_key() {
        let refused =
            |config: &Config, images, is_on_cpu, free| check(&training_needs(config, images, |_| None, is_on_cpu)?, Some(free));
        let gib = 1 << 30;
        for (batch, size, width, images, key) in [
            (2, 8192, 2, 100, "data.size"),
            (4096, 512, 2, 10, "train.batch"),
            (1, 64, 4096, 10, "model.width"),
            (1, 8192, 16, 1, "data.size"),
        ] {
            let error = refused(&config(batch, size, width), images, true, 2 * gib).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("config key `{key}`: ")) && error.contains("2.0 GiB of memory are free"),
                "{error}"
            );
            let others = "a smaller value needs less, and so does a smaller data.size or model.width";
            assert_eq!(error.ends_with(others), key == "train.batch", "{error}");
        }
        let mut native = config(1, 64, 2);
        native.data.fit = Fit::Native;
        let need = image_need(&native, 100, |number| (number > 0).then_some([4096, 4096]));
        assert_eq!((need.bytes, need.key), (12 * (99 * 4096 * 4096 + 64 * 64), "data.fit"));
        // A network on a GPU is the concern of the GPU.
        refused(&config(1, 64, 4096), 10, false, 2 * gib).unwrap();
        refused(&config(8, 128, 32), 1000, true, 2 * gib).unwrap();
        let error = refused(&config(65_535, 8192, 2), 1, true, u64::MAX).unwrap_err().to_string();
        assert!(error.starts_with("config key `train.batch`: 65535 images of 8192x8192 pixels: "), "{error}");
        assert!(check(&[], Some(0)).is_ok() && check(&[Need { key: "", what: String::new(), bytes: 1 }], None).is_ok());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn maps_of_a_model_that_keeps_sizes_are_as_large_as_their_images() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pgm");
        std::fs::write(&path, "P5 8192 8192 255\n").unwrap();
        let (place, output_name) = ("good/a.pgm".into(), "good/a".into());
        let test = TestImage { path, defect: "good".into(), masks: Vec::new(), place, output_name };
        // 4 TiB.
        let category = Category { test: vec![test; 4096], ..Category::default() };
        let check = |model| check_evaluation_memory(&category, Resolution::Model, model);
        let text = check(Some(&Preparation::NATIVE)).unwrap_err().to_string();
        assert!(text.starts_with("4096 maps of the size of their images would need at least 4.0 TiB"), "{text}");
        let small = Preparation { size: 8, fit: Fit::Stretch, ..Preparation::NATIVE };
        assert!(check(Some(&small)).is_ok() && check(None).is_ok());
        let large = Preparation { size: 8192, ..small };
        assert!(check(Some(&large)).unwrap_err().to_string().starts_with("4096 maps of 8192x8192 pixels would need"));
        let text = check_validation_maps(&category).unwrap_err().to_string();
        assert!(
            text.starts_with("4096 maps of the validation set would need at least 4.0 TiB") && text.ends_with(MORE),
            "{text}"
        );
        check_validation_maps(&Category::default()).unwrap();
    }

    #[test]
    fn the_system_tells_what_is_free() {
        assert_eq!(kilobytes("MemFree: 1 kB\nMemAvailable:   2048 kB\n", "MemAvailable:"), Some(2 << 20));
        assert_eq!(kilobytes("MemAvailable: much\n", "MemAvailable:"), None);
        let limits = "Limit   Soft Limit   Hard Limit   Units\nMax address space         2048000000           unlimited            bytes\n";
        assert_eq!(address_space(limits), Some(2_048_000_000));
        assert_eq!(address_space(&limits.replace("2048000000", "unlimited")), None);
        if cfg!(target_os = "linux") {
            assert!(free_memory().unwrap() > 1 << 20);
        }
        assert_eq!(memory_words(3 << 39), "1.5 TiB");
    }

    #[test]
    fn the_tightest_control_group_around_the_process_counts() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let free = || free_below(folder.path());
        assert_eq!(free(), None);
        write("proc/meminfo", "MemAvailable: 1000 kB\nSwapFree: 1 kB\n");
        let all = 1001 << 10;
        assert_eq!(free(), Some(all));
        write("proc/self/cgroup", "1:name=systemd:/job\n0::/slice/job\n");
        assert_eq!(free(), Some(all), "groups without limits");
        for (group, most, now) in [("slice/job", "max", "50"), ("slice", "5000", "3000"), (".", "9000", "3000")] {
            write(&format!("sys/fs/cgroup/{group}/memory.max"), most);
            write(&format!("sys/fs/cgroup/{group}/memory.current"), now);
        }
        assert_eq!(free(), Some(2000 + 1024));
        write("sys/fs/cgroup/slice/memory.stat", "anon 7\ninactive_file 100\nactive_file 20\n");
        assert_eq!(free(), Some(2120 + 1024));
        // The path of a container from outside: only its own group is there, as the root.
        write("proc/self/cgroup", "0::/../other\n");
        assert_eq!(free(), Some(6000 + 1024));
        write("proc/self/cgroup", "0::/\n5:cpu,memory:/job\n");
        for (group, most) in [("job", "9223372036854771712"), (".", "4000")] {
            write(&format!("sys/fs/cgroup/memory/{group}/memory.limit_in_bytes"), most);
            write(&format!("sys/fs/cgroup/memory/{group}/memory.usage_in_bytes"), "3500");
        }
        write("sys/fs/cgroup/memory/memory.stat", "inactive_file 9\ntotal_inactive_file 30\ntotal_active_file 5\n");
        assert_eq!(free(), Some(535 + 1024));
    }
}
