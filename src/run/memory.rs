//! Whether the pixels of a test set fit into memory, asked before the network runs.

use crate::data::Category;
use crate::detect::Resolution;
use crate::error::{Error, Result};

/// Bytes that are kept for a test pixel beside its map and its sample in the ranking: its mask and the number of its component.
const BESIDE: u64 = 8;

/// Checks that the pixel metrics of a test set fit into the free memory. `element` is the size of a value of a map in bytes, and `working`
/// the number of pixels of an image at working resolution, if it is the same for all.
///
/// # Errors
/// They do not; a file that is no image, or a mask of another size than its image.
pub(super) fn check_pixels(category: &Category, resolution: Resolution, element: u64, working: Option<u64>) -> Result<()> {
    let each = |pixels: u64| pixels.saturating_mul(category.test.len() as u64);
    let pixels = match (resolution, working) {
        (Resolution::Side(side), _) => each((side as u64).saturating_pow(2)),
        (Resolution::Model, Some(working)) => each(working),
        // The sizes of the maps are not known yet; they are those of the network or of files, and rarely large.
        (Resolution::Model, None) => return Ok(()),
        (Resolution::Native, _) => category.test_pixels()?,
    };
    check(pixels, pixels.saturating_mul(2 * element + BESIDE), free(), resolution)
}

fn check(pixels: u64, wanted: u64, free: Option<u64>, resolution: Resolution) -> Result<()> {
    match free {
        Some(free) if wanted > free => {
            let [wanted, free] = [wanted, free].map(|bytes| bytes as f64 / 1e9);
            let reason = format!(
                "the metrics of {pixels} test pixels at {resolution} resolution take {wanted:.1} GB, and {free:.1} GB of memory are \
                 free; --resolution with a smaller side takes less"
            );
            Err(Error::argument(reason))
        }
        _ => Ok(()),
    }
}

/// Bytes that this process can still take: free in the machine, and below its limits. None if the system does not say.
fn free() -> Option<u64> {
    let text = |path: &str| std::fs::read_to_string(path).ok();
    let number = |path: &str| text(path)?.trim().parse::<u64>().ok();
    let field = |path: &str, name: &str| {
        let text = text(path)?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().find_map(|word| word.parse::<u64>().ok())
    };
    let machine = field("/proc/meminfo", "MemAvailable:").map(|kib| kib << 10);
    let taken = field("/proc/self/status", "VmSize:").map(|kib| kib << 10);
    let limit = field("/proc/self/limits", "Max address space").zip(taken).map(|(limit, taken)| limit.saturating_sub(taken));
    let [group, used] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"].map(number);
    let group = group.zip(used).map(|(limit, used)| limit.saturating_sub(used));
    [machine, limit, group].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_the_key_to_change() {
        assert!(check(10, 160, None, Resolution::Native).is_ok() && check(10, 160, Some(160), Resolution::Native).is_ok());
        let text = check(250_000_000, 4_000_000_000, Some(3_000_000_000), Resolution::Side(8192)).unwrap_err().to_string();
        assert!(
            text.starts_with("the metrics of 250000000 test pixels at 8192x8192 resolution take 4.0 GB, and 3.0 GB"),
            "{text}"
        );
        assert!(text.contains("--resolution"), "{text}");
        assert!(cfg!(not(target_os = "linux")) || free().is_some_and(|bytes| bytes > 1 << 20));
    }
}
