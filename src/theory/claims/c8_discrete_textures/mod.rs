//! **C8, discrete textures.**
//!
#![doc = include_str!("statement.md")]

mod growth;
mod restored;

use ndarray::{array, s};

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{gaussian_vector, norm};
use crate::theory::claim::{Check, Claim, Evidence, Setting};
use crate::theory::statistics::{larger, mean};
use crate::theory::transition_set::TransitionSet;

use growth::{Growth, Windows};
use restored::{Replacement, Restored, STATES, Worlds};

const NUMBER: u32 = 8;
const PERIODIC: &str = "strictly periodic pattern";

/// See the [module](self).
pub const CLAIM: Claim = Claim::new("C8", "Discrete textures", include_str!("statement.md"), measure);

fn measure(setting: &Setting) -> Result<Evidence> {
    let worlds = Worlds::sample(&mut setting.stream(NUMBER, 0), setting.pick(8, 24))?;
    let mut checks = vec![nearest(&worlds, &mut setting.stream(NUMBER, 1))?];
    checks.extend(bounds(&worlds, &mut setting.stream(NUMBER, 2), setting.pick(600, 6000))?);
    checks.push(attained()?);
    let growth = Growth::measure(&worlds, &mut setting.stream(NUMBER, 3), setting.pick(240, 1800))?;
    checks.extend(growth.checks(setting.pick(0.15, 0.06))?);
    let windows = Windows::measure(&worlds, &mut setting.stream(NUMBER, 4), setting.pick(240, 1200))?;
    checks.extend(windows.checks());
    Ok(Evidence { checks, figures: vec![windows.profile(), windows.figure(), growth.figure()] })
}

/// Compares Viterbi's algorithm with enumeration of all sequences of seven letters.
fn nearest(worlds: &Worlds, stream: &mut Stream) -> Result<Check> {
    let (mut worst, mut greedy_excess) = (0.0_f64, vec![]);
    for (set, _) in &worlds.textures {
        let all = every_sequence(set, 7);
        for _ in 0..10 {
            let y = gaussian_vector(stream, 7 * set.width());
            let distance = |sequence: &[usize]| norm(&(set.values(sequence) - &y));
            let least = all.iter().map(|sequence| distance(sequence)).fold(f64::INFINITY, f64::min);
            let viterbi = set.project_point(&y)?;
            worst = larger(worst, if set.allows(&viterbi) { (distance(&viterbi) - least).abs() } else { f64::INFINITY });
            let cell_of = |cell: usize| y.slice(s![cell * set.width()..(cell + 1) * set.width()]).to_owned();
            let greedy = (1..7).try_fold(set.project_point(&cell_of(0))?, |walk, cell| {
                let next = set.successors(walk[cell - 1]).iter().copied();
                let cost = |state: usize| norm(&(set.letter(state) - cell_of(cell)));
                next.min_by(|&a, &b| cost(a).total_cmp(&cost(b))).map(|state| [walk, vec![state]].concat())
            });
            greedy_excess.push(greedy.map_or(f64::NAN, |walk| distance(&walk) - least));
        }
    }
    let check =
        Check::equal("‖y-z‖ above the least of all sequences, N = 7", 0.0, worst, 1e-12, "rounding of sums of 21 squares");
    Ok(check.control("nearest letter among the allowed ones, one after the other", mean(&greedy_excess)))
}

fn every_sequence(set: &TransitionSet, length: usize) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = (0..set.states()).map(|state| vec![state]).collect();
    for cell in 1..length {
        let longer = |walk: &Vec<usize>| {
            let walk = walk.clone();
            set.successors(walk[cell - 1]).iter().map(move |&next| [walk.clone(), vec![next]].concat()).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// The bound for random N, S and content of S.
fn bounds(worlds: &Worlds, stream: &mut Stream, trials: usize) -> Result<[Check; 2]> {
    let (mut off_segment, mut off_both) = (0.0_f64, 0.0_f64);
    for trial in 0..trials {
        let (set, m) = &worlds.textures[trial % worlds.textures.len()];
        let length = stream.between(40, 300) as usize;
        let start = stream.below(length as u32) as usize;
        let segment = start..start + 1 + stream.below((length - start) as u32) as usize;
        let how = [Replacement::Foreign, Replacement::Noise, Replacement::Far][stream.below(3) as usize];
        let restored = Restored::sample(set, length, segment, how, stream)?;
        let square = set.diameter().powi(2);
        off_segment = larger(off_segment, restored.change_beyond(0) / (2.0 * (*m as f64 - 1.0) * square));
        off_both = larger(off_both, restored.change_beyond(*m) / (2.0 * *m as f64 * square));
    }
    // The largest m that a graph with this number of states can have.
    let m = (STATES - 1).pow(2) + 1;
    let set = &worlds.periodic[0];
    let restored = Restored::sample(set, 4096, 0..2458, Replacement::Foreign, stream)?;
    let control = |margin: usize, cells: usize| restored.change_beyond(margin) / (2.0 * cells as f64 * set.diameter().powi(2));
    let because = "an inequality, up to rounding";
    Ok([
        Check::at_most("largest ‖(z-x) off S‖² / 2(m-1)Δ²", 1.0, off_segment, 1e-12, because)
            .control(PERIODIC, control(0, m - 1)),
        Check::at_most("largest ‖(z-x) off S∪B‖² / 2mΔ²", 1.0, off_both, 1e-12, because).control(PERIODIC, control(m, m)),
    ])
}

/// 0s and 1s: a 1 forced between two 1s turns both into 0 if 1s may not be neighbours.
fn attained() -> Result<Check> {
    let change = |successors: [Vec<usize>; 2]| -> Result<f64> {
        let set = TransitionSet::new(vec![array![0.0], array![1.0]], successors.to_vec())?;
        let x = (0..65).map(|cell| cell % 2).collect();
        Ok(Restored::new(&set, x, 32..33, &array![5.0])?.change_beyond(0))
    };
    let check =
        Check::equal("‖(z-x) off S‖² where no two 1s are neighbours", 2.0, change([vec![0, 1], vec![0]])?, 0.0, "whole numbers");
    Ok(check.control("all sequences of 0 and 1 (m = 1)", change([vec![0, 1], vec![0, 1]])?))
}
