//! **C8, discrete textures.**
//!
#![doc = include_str!("statement.md")]

mod growth;
mod restored;
mod strips;

use ndarray::{array, s};

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{gaussian_vector, norm};
use crate::theory::claim::{Check, Claim, Evidence, Setting};
use crate::theory::statistics::{larger, mean};
use crate::theory::transition_set::TransitionSet;

use growth::{Growth, Windows};
use restored::{Replacement, Restored, Worlds, nearly_periodic};

const NUMBER: u32 = 8;
/// Largest m of the random graphs, and a usual one.
const MAX_M: usize = 8;
const USUAL_M: usize = 5;
/// Content of S that forces a 1.
const FORCED: f64 = 5.0;
const PERIODIC: &str = "strictly periodic pattern";

/// See the [module](self).
pub const CLAIM: Claim = Claim::new("C8", "Discrete textures", include_str!("statement.md"), measure).seconds([0.9, 6.0]);

fn measure(setting: &Setting) -> Result<Evidence> {
    let worlds = Worlds::sample(&mut setting.stream(NUMBER, 0), setting.pick(8, 24))?;
    let mut checks = vec![nearest(&worlds, &mut setting.stream(NUMBER, 1))?];
    checks.extend(bounds(&worlds, &mut setting.stream(NUMBER, 2), setting.pick(600, 6000))?);
    checks.push(attained()?);
    let growth = Growth::measure(&worlds, &mut setting.stream(NUMBER, 3), setting.pick(240, 1800))?;
    checks.push(growth.check(setting.pick(0.15, 0.06))?);
    let windows = Windows::measure(&worlds, &mut setting.stream(NUMBER, 4), setting.pick(240, 1200))?;
    checks.push(windows.check()?);
    let strips = strips::Strips::new()?;
    checks.push(strips.check(&mut setting.stream(NUMBER, 5), setting.pick(40, 400))?);
    Ok(Evidence {
        checks,
        figures: vec![windows.profile(), windows.figure(), growth.figure(), strips.figure(&mut setting.stream(NUMBER, 6))?],
    })
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
    let greedy = mean(&greedy_excess);
    check
        .against("nearest letter among the allowed ones, one after the other", |share| Ok((1.0 - share) * worst + share * greedy))
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

/// The bound, and where cells change, for random N, S and content of S.
fn bounds(worlds: &Worlds, stream: &mut Stream, trials: usize) -> Result<[Check; 2]> {
    let (mut change, mut farthest) = (0.0_f64, 0.0_f64);
    for trial in 0..trials {
        let (set, m) = &worlds.textures[trial % worlds.textures.len()];
        let restored = random(set, stream)?;
        change = larger(change, restored.change_beyond(0) / bound(set, *m));
        farthest = larger(farthest, restored.farthest_change() as f64 / reach_of_change(set, *m));
    }
    let (nearly, mut of_nearly) = (nearly_periodic(stream)?, 0.0);
    for _ in 0..trials {
        of_nearly = larger(of_nearly, random(&nearly, stream)?.change_beyond(0) / bound(&nearly, USUAL_M));
    }
    let periodic = &worlds.periodic[0];
    let all = Restored::sample(periodic, 4096, 0..2458, Replacement::Foreign, stream)?;
    let of_periodic = all.farthest_change() as f64 / reach_of_change(periodic, MAX_M);
    Ok([
        Check::at_most("largest ‖(z-x) off S‖² / 2(m-1)Δ²", 1.0, change, 1e-12, "an inequality, up to rounding")
            .control("a cycle with one more edge, judged by m = 5", of_nearly)
            .notices("the bound too small by the factor 1-ε", |size| Ok(change / (1.0 - size)))?,
        Check::at_most("farthest changed cell from S, over ⌊(m-1)(Δ/δ)²⌋", 1.0, farthest, 0.0, "whole numbers")
            .control(PERIODIC, of_periodic)
            .notices("the bound too small by the factor 1-ε", |size| Ok(farthest / (1.0 - size)))?,
    ])
}

/// A sequence of random length with a random segment replaced by random content.
fn random<'a>(set: &'a TransitionSet, stream: &mut Stream) -> Result<Restored<'a>> {
    let length = stream.between(40, 300) as usize;
    let start = stream.below(length as u32) as usize;
    let segment = start..start + 1 + stream.below((length - start) as u32) as usize;
    let how = [Replacement::Foreign, Replacement::Noise, Replacement::Far][stream.below(3) as usize];
    Restored::sample(set, length, segment, how, stream)
}

/// 2(m-1)Δ².
fn bound(set: &TransitionSet, m: usize) -> f64 {
    2.0 * (m as f64 - 1.0) * set.diameter().powi(2)
}

/// ⌊(m-1)(Δ/δ)²⌋.
fn reach_of_change(set: &TransitionSet, m: usize) -> f64 {
    ((m as f64 - 1.0) * (set.diameter() / set.gap()).powi(2)).floor()
}

/// 0s and 1s without two neighbouring 1s, m = 2: a 1 forced between two 1s turns both into 0. So the constant 2(m-1)Δ² is
/// attained.
fn attained() -> Result<Check> {
    let set = TransitionSet::new(vec![array![0.0], array![1.0]], vec![vec![0, 1], vec![0]])?;
    let x: Vec<usize> = (0..65).map(|cell| cell % 2).collect();
    let change = |content: f64| Ok(Restored::new(&set, x.clone(), 32..33, &array![content])?.change_beyond(0));
    let forced = change(FORCED)?;
    let quantity = "‖(z-x) off S‖² less 2(m-1)Δ² where no two 1s are neighbours";
    let check =
        Check::equal(quantity, 0.0, forced - bound(&set, 2), 0.0, "whole numbers").control("2(m-2)Δ²", forced - bound(&set, 1));
    check.notices("a content of 5(1-ε), which forces less", |size| Ok(change(FORCED * (1.0 - size))? - bound(&set, 2)))
}
