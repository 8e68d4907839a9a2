use super::{Phase, Profile, Quantiles};
use crate::error::{Error, Result};

/// A difference counts if it is more than this many deviations of both together.
const BAND: f64 = 3.0;

/// Whether something became faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// By more than the noise.
    Faster,
    /// Not by more than the noise.
    Same,
    /// Slower by more than the noise.
    Slower,
    /// Only in the second.
    New,
    /// Only in the first.
    Gone,
}

/// One operation, or the whole step, in two results.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The operation, layer and phase; None for the whole step.
    pub row: Option<(String, String, Phase)>,
    /// Median milliseconds in both, 0 where it is missing.
    pub ms: [f64; 2],
    /// The noise band in milliseconds: differences up to this mean nothing.
    pub band: f64,
    /// What became of it.
    pub change: Change,
}

/// The whole step, then every operation of either result, those that changed by most milliseconds first.
///
/// # Errors
/// Results of other work or another machine: the sentence names the fields that differ.
pub fn compare(a: &Profile, b: &Profile) -> Result<Vec<Comparison>> {
    let differing = differing(a, b);
    if !differing.is_empty() {
        return Err(Error::argument(format!("these two cannot be compared: {}", differing.join("; "))));
    }
    let of = |profile: &Profile, key: &(String, String, Phase)| {
        profile.rows.iter().find(|row| (&row.op, &row.layer, row.phase) == (&key.0, &key.1, key.2)).map(|row| row.ms)
    };
    let mut keys: Vec<_> = a.rows.iter().chain(&b.rows).map(|row| (row.op.clone(), row.layer.clone(), row.phase)).collect();
    keys.sort();
    keys.dedup();
    let mut rows: Vec<_> = keys.into_iter().map(|key| comparison([of(a, &key), of(b, &key)], Some(key))).collect();
    rows.sort_by(|x, y| (y.ms[1] - y.ms[0]).abs().total_cmp(&(x.ms[1] - x.ms[0]).abs()));
    rows.insert(0, comparison([Some(a.steps.plain), Some(b.steps.plain)], None));
    Ok(rows)
}

/// `name: this, that` of each field that differs, though it must not.
fn differing(a: &Profile, b: &Profile) -> Vec<String> {
    let fields = |profile: &Profile| {
        let settings = &profile.settings;
        [
            ("phase", format!("{:?}", settings.task).to_lowercase()),
            ("model", settings.model.to_string()),
            ("width", settings.width.to_string()),
            ("size", settings.size.to_string()),
            ("batch", settings.batch.to_string()),
            ("device", profile.device.clone()),
            ("machine", profile.peaks.machine.clone()),
        ]
    };
    let pairs = fields(a).into_iter().zip(fields(b));
    pairs.filter(|(a, b)| a != b).map(|((name, a), (_, b))| format!("{name} is {a} and {b}")).collect()
}

fn comparison(ms: [Option<Quantiles>; 2], row: Option<(String, String, Phase)>) -> Comparison {
    let [a, b] = ms.map(Option::unwrap_or_default);
    let band = BAND * (a.deviation + b.deviation);
    let change = match ms {
        [None, _] => Change::New,
        [_, None] => Change::Gone,
        _ if b.median < a.median - band => Change::Faster,
        _ if b.median > a.median + band => Change::Slower,
        _ => Change::Same,
    };
    Comparison { row, ms: [a.median, b.median], band, change }
}
