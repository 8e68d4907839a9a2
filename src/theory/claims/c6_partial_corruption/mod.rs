//! **C6, partial corruption.**
//!
#![doc = include_str!("statement.md")]

mod optimum;
mod world;

use ndarray::{Array1, Array2};

use crate::backend::Reference;
use crate::error::Result;
use crate::ops::Backend;
use crate::theory::algebra::blend;
use crate::theory::claim::{Check, Claim, Evidence, Setting};
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::statistics::larger;

use optimum::Problem;
use world::World;

const NUMBER: u32 = 6;
const LAMBDAS: [f64; 3] = [0.1, 0.4, 0.8];
/// A fault of the minimiser.
const OFF: &str = "every value of the minimiser is off by ε";
const EXACT: &str = "rounding: a few hundred terms of order 1, divided by the smallest weight of a value, about 1e-4";

/// See the [module](self).
pub const CLAIM: Claim = Claim::new("C6", "Partial corruption", include_str!("statement.md"), measure).seconds([0.9, 2.0]);

fn measure(setting: &Setting) -> Result<Evidence> {
    measure_on(&Reference::<f64>::default(), setting)
}

/// The measurement with objective, gradients and training on `backend`.
///
/// # Errors
/// The backend failed; training diverged.
pub fn measure_on<B: Backend<Elem = f64>>(backend: &B, setting: &Setting) -> Result<Evidence> {
    let world = |index, make: fn(&mut crate::rng::Stream) -> World| make(&mut setting.stream(NUMBER, index));
    let known = Solved::new(backend, world(0, World::known_region))?;
    let ambiguous = Solved::new(backend, world(1, World::ambiguous))?;
    let determined = Solved::new(backend, world(2, World::determined))?;
    let revealed = Solved::new(backend, world(3, World::revealed))?;
    let mut checks = exact(&known, &ambiguous)?.to_vec();
    checks.extend(by_region(&known, &ambiguous, &determined, &revealed)?);
    let (tables, figure) = trained_tables(backend, &known, &ambiguous, setting.pick(500, 1500))?;
    checks.extend(tables);
    checks.push(trained_network(backend, &ambiguous, setting)?);
    Ok(Evidence { checks, figures: vec![figure] })
}

/// One row per group of outcomes with the same x̂.
type Table = Array2<f64>;

/// A finite world and its minimisers for each λ, from values and from gradients of the objective.
struct Solved {
    world: World,
    minimisers: Vec<[Table; 2]>,
}

impl Solved {
    fn new<B: Backend<Elem = f64>>(backend: &B, world: World) -> Result<Self> {
        let minimisers = LAMBDAS.map(|lambda| {
            let problem = Problem { backend, world: &world, lambda };
            Ok([problem.minimiser_by_values()?, problem.minimiser_by_gradients()?])
        });
        let minimisers = minimisers.into_iter().collect::<Result<_>>()?;
        Ok(Self { world, minimisers })
    }

    /// The largest difference of a minimiser from the expected table for its λ.
    fn farthest(&self, expected: impl Fn(f64) -> Table) -> f64 {
        farthest(self.minimisers.iter().map(|pair| pair.as_slice()), expected)
    }

    /// Distance between the minimisers for the largest and the smallest λ.
    fn movement(&self) -> f64 {
        difference(&self.minimisers[0][0], &self.minimisers[LAMBDAS.len() - 1][0])
    }

    /// The largest difference of a minimiser from `expected(outcome)`, in all values or in those whose mask is `of`.
    fn farthest_where(&self, of: Option<f64>, expected: impl Fn(&world::Atom) -> Array1<f64>) -> f64 {
        let outcomes = || self.world.atoms.iter().zip(&self.world.group);
        let distance = |minimiser: &Table, (atom, &group): (&world::Atom, &usize)| {
            let difference = &minimiser.row(group) - expected(atom);
            let counts = |region: &f64| of.is_none_or(|of| *region == of);
            largest(difference.iter().zip(&atom.region).filter(|(_, region)| counts(region)).map(|(d, _)| d.abs()))
        };
        largest(
            self.minimisers.iter().flatten().flat_map(|minimiser| outcomes().map(move |outcome| distance(minimiser, outcome))),
        )
    }
}

/// The largest of nonnegative values.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, larger)
}

/// The largest difference of the tables for each λ from the expected one.
fn farthest<'a>(tables: impl Iterator<Item = &'a [Table]>, expected: impl Fn(f64) -> Table) -> f64 {
    let of_lambda = |(lambda, tables): (f64, &[Table])| {
        let expected = expected(lambda);
        largest(tables.iter().map(|table| difference(table, &expected)))
    };
    largest(LAMBDAS.into_iter().zip(tables).map(of_lambda))
}

fn difference(a: &Table, b: &Table) -> f64 {
    largest((a - b).into_iter().map(f64::abs))
}

fn exact(known: &Solved, ambiguous: &Solved) -> Result<[Check; 3]> {
    let world = &ambiguous.world;
    let not_weighted = ambiguous.farthest(|_| world.conditional_mean());
    let of_known = known.farthest(|_| known.world.conditional_mean());
    let weighted =
        |share: f64| ambiguous.farthest(|lambda| blend(&world.weighted_mean(lambda), &world.conditional_mean(), share));
    let off = |share: f64| Ok(known.farthest(|_| known.world.conditional_mean() + share));
    Ok([
        Check::equal("minimiser - E[x|x̂], region known, all λ", 0.0, of_known, 1e-10, EXACT)
            .control("ambiguous regions", not_weighted)
            .notices(OFF, off)?,
        Check::equal("minimiser - E[w x|x̂]/E[w|x̂], ambiguous regions, all λ", 0.0, weighted(0.0), 1e-10, EXACT)
            .against("E[x|x̂] instead", |share| Ok(weighted(share)))?,
        Check::equal("minimiser at λ = 0.8 less that at 0.1, region known", 0.0, known.movement(), 1e-10, EXACT)
            .control("ambiguous regions", ambiguous.movement())
            .notices("the share ε of the movement with ambiguous regions", |share| Ok(share * ambiguous.movement()))?,
    ])
}

fn by_region(known: &Solved, ambiguous: &Solved, determined: &Solved, revealed: &Solved) -> Result<[Check; 3]> {
    let off = |solved: &Solved, error: f64| solved.farthest_where(Some(0.0), |atom| &atom.corrupted + error);
    let on = |solved: &Solved, error: f64| solved.farthest_where(Some(1.0), |atom| solved.world.mean_given_context(atom) + error);
    let all = |solved: &Solved, error: f64| solved.farthest_where(None, |atom| &atom.image + error);
    Ok([
        Check::equal("minimiser - x̂ off M, region known", 0.0, off(known, 0.0), 1e-10, EXACT)
            .control("ambiguous regions", off(ambiguous, 0.0))
            .notices(OFF, |error| Ok(off(known, error)))?,
        Check::equal("minimiser - mean of x given its context, on M", 0.0, on(known, 0.0), 1e-10, EXACT)
            .control("replacement that betrays x", on(revealed, 0.0))
            .notices(OFF, |error| Ok(on(known, error)))?,
        Check::equal("minimiser - x, context determines x, regions ambiguous", 0.0, all(determined, 0.0), 1e-10, EXACT)
            .control("context shared by several images", all(known, 0.0))
            .notices(OFF, |error| Ok(all(determined, error)))?,
    ])
}

const TRAINED: &str = "Adam with a learning rate that decays to 0 ends close to the optimum";

/// A table trained for each λ. The figure shows one value of the optimum against λ.
fn trained_tables<B: Backend<Elem = f64>>(
    backend: &B,
    known: &Solved,
    ambiguous: &Solved,
    steps: u64,
) -> Result<([Check; 2], Figure)> {
    let train = |solved: &Solved| -> Result<Vec<Table>> {
        LAMBDAS.iter().map(|&lambda| Problem { backend, world: &solved.world, lambda }.trained_table(steps)).collect()
    };
    let (of_known, of_ambiguous) = (train(known)?, train(ambiguous)?);
    let not_weighted = farthest(of_ambiguous.chunks(1), |_| ambiguous.world.conditional_mean());
    let world = &ambiguous.world;
    let weighted = |share: f64| {
        let expected = |lambda: f64| blend(&world.weighted_mean(lambda), &world.conditional_mean(), share);
        farthest(of_ambiguous.chunks(1), expected)
    };
    let off = |error: f64| farthest(of_known.chunks(1), |_| known.world.conditional_mean() + error);
    let checks = [
        Check::equal("trained table - E[x|x̂], region known, all λ", 0.0, off(0.0), 0.01, TRAINED)
            .control("ambiguous regions", not_weighted)
            .notices(OFF, |error| Ok(off(error)))?,
        Check::equal("trained table - E[w x|x̂]/E[w|x̂], ambiguous regions, all λ", 0.0, weighted(0.0), 0.01, TRAINED)
            .against("E[x|x̂] instead", |share| Ok(weighted(share)))?,
    ];
    Ok((checks, figure(ambiguous, &of_ambiguous)))
}

/// A network trained with ambiguous regions at the smallest λ.
fn trained_network<B: Backend<Elem = f64>>(backend: &B, ambiguous: &Solved, setting: &Setting) -> Result<Check> {
    let problem = Problem { backend, world: &ambiguous.world, lambda: LAMBDAS[0] };
    let trained = problem.trained_network(setting.seed(), 64, setting.pick(3000, 6000))?;
    let world = &ambiguous.world;
    let off = |share: f64| difference(&trained, &blend(&world.weighted_mean(LAMBDAS[0]), &world.conditional_mean(), share));
    let quantity = "trained network - E[w x|x̂]/E[w|x̂], ambiguous regions, λ = 0.1";
    Check::equal(quantity, 0.0, off(0.0), 0.01, TRAINED).against("E[x|x̂] instead", |share| Ok(off(share)))
}

/// The value of the optimum that moves most with λ.
fn figure(ambiguous: &Solved, trained: &[Table]) -> Figure {
    let world = &ambiguous.world;
    let movement =
        |&(group, i): &(usize, usize)| (world.weighted_mean(0.9)[[group, i]] - world.weighted_mean(0.1)[[group, i]]).abs();
    let entries = (0..world.inputs.len()).flat_map(|group| (0..world::VALUES).map(move |i| (group, i)));
    let (group, i) = entries.max_by(|a, b| movement(a).total_cmp(&movement(b))).unwrap_or((0, 0));
    let lambdas: Vec<f64> = (1..50).map(|step| f64::from(step) / 50.0).collect();
    let closed = lambdas.iter().map(|&lambda| (lambda, world.weighted_mean(lambda)[[group, i]])).collect();
    let mean = world.conditional_mean()[[group, i]];
    let series = vec![
        Series::line("E[w x|x̂]/E[w|x̂]", closed),
        Series::dots("trained", LAMBDAS.iter().zip(trained).map(|(&lambda, table)| (lambda, table[[group, i]])).collect()),
        Series::dashed("E[x|x̂], the optimum if M were known", vec![(0.0, mean), (1.0, mean)]),
    ];
    Figure {
        stem: "c6_lambda".into(),
        title: "If the region is ambiguous, the optimum depends on λ".into(),
        caption:
            "One value of the best reconstruction of one corrupted image, in closed form and trained. If x̂ showed the region, \
             the optimum would be the same for every λ."
                .into(),
        content: Content::chart([AxisSpec::linear("λ"), AxisSpec::linear("f*(x̂) in one value")], series),
    }
}
