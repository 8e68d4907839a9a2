//! **C6, partial corruption.** The objective L of Method §3, with the region M of the corruption, over all functions f of x̂.
//! Every value i of an outcome has the weight `w_i = (1-λ) M̄_i/‖M̄‖₁ + λ M_i/‖M‖₁`, so L is a sum of parabolas and
//!
//! ```text
//! f*(x̂)_i = E[w_i x_i | x̂] / E[w_i | x̂].
//! ```
//!
//! (1) If M is a function of x̂, w_i is one too and cancels: f*(x̂) = E[x|x̂] for every λ in (0, 1). (2) It equals x̂ on M̄,
//! where x = x̂. (3) On M it is the mean of x given its context (x off M), *if* the replacement and the choice of M are
//! independent of x on M given that context; otherwise x̂ tells more than the context. (4) If the context determines x, f*(x̂) =
//! x, whether or not M is a function of x̂. (5) Otherwise, if M is not a function of x̂, f* depends on λ.
//!
//! Measured on finite sets, where expectations are sums: the minimiser of L as the tape evaluates it, from values and from
//! gradients, against the closed forms; and by training a table and a network with Adam. Controls: ambiguous regions, where
//! E[x|x̂] is not the optimum and λ moves it; a replacement that betrays x.

mod optimum;
mod world;

use crate::backend::Reference;
use crate::error::Result;
use crate::ops::Backend;
use crate::theory::algebra::sub;
use crate::theory::claim::{Claim, Evidence, Row, Setting};
use crate::theory::figure::{AxisSpec, Chart, Content, Figure, Series};
use crate::theory::statistics::larger;

use optimum::Problem;
use world::World;

const NUMBER: u32 = 6;
const LAMBDAS: [f64; 3] = [0.1, 0.4, 0.8];
const EXACT: &str = "rounding: a few hundred terms of order 1, divided by the least weight of a value, near 1e-4";

/// See the [module](self).
pub struct PartialCorruption;

impl Claim for PartialCorruption {
    fn id(&self) -> &'static str {
        "C6"
    }

    fn title(&self) -> &'static str {
        "Partial corruption"
    }

    fn statement(&self) -> &'static str {
        "With the objective of two regions, the best function of x̂ has the value E[w_i x_i|x̂]/E[w_i|x̂] in coordinate i, \
         where w_i = (1-λ) M̄_i/‖M̄‖₁ + λ M_i/‖M‖₁. If the region M is a function of x̂, this is E[x|x̂] for every λ in (0,1): \
         equal to x̂ off M, and on M the mean of x given its context, provided that the replacement and the choice of M tell \
         nothing more about x; if the context determines x it is x, whether or not M is a function of x̂. Control: with \
         ambiguous regions the optimum is not E[x|x̂] and moves with λ; a replacement that betrays x moves the optimum away \
         from the mean given the context."
    }

    fn measure(&self, setting: &Setting) -> Result<Evidence> {
        Self::measure_on(&Reference::<f64>::default(), setting)
    }
}

impl PartialCorruption {
    /// The measurement with objective, gradients and training on `backend`.
    ///
    /// # Errors
    /// The backend failed; training diverged.
    pub fn measure_on<B: Backend<Elem = f64>>(backend: &B, setting: &Setting) -> Result<Evidence> {
        let world = |index, make: fn(&mut crate::rng::Stream) -> World| make(&mut setting.stream(NUMBER, index));
        let known = Solved::new(backend, world(0, World::known_region))?;
        let ambiguous = Solved::new(backend, world(1, World::ambiguous))?;
        let determined = Solved::new(backend, world(2, World::determined))?;
        let betrayed = Solved::new(backend, world(3, World::betrayed))?;
        let mut rows = exact(&known, &ambiguous).to_vec();
        rows.extend(by_region(&known, &ambiguous, &determined, &betrayed));
        let (tables, figure) = trained_tables(backend, &known, &ambiguous, setting.pick(500, 1500))?;
        rows.extend(tables);
        rows.push(trained_network(backend, &ambiguous, setting)?);
        Ok(Evidence { rows, figures: vec![figure] })
    }
}

type Table = Vec<Vec<f64>>;

/// A world and its minimisers for each λ, from values of the objective and from gradients.
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

    /// The largest difference of any minimiser from what is expected for its λ.
    fn farthest(&self, expected: impl Fn(f64) -> Table) -> f64 {
        let of_lambda = |(lambda, pair): (&f64, &[Table; 2])| {
            let expected = expected(*lambda);
            largest(pair.iter().map(|minimiser| difference(minimiser, &expected)))
        };
        largest(LAMBDAS.iter().zip(&self.minimisers).map(of_lambda))
    }

    /// How far the minimiser for the largest λ is from that for the smallest.
    fn movement(&self) -> f64 {
        difference(&self.minimisers[0][0], &self.minimisers[LAMBDAS.len() - 1][0])
    }

    /// The largest difference of any minimiser from `expected(outcome)`, in the values whose mask is `of`, or all.
    fn farthest_where(&self, of: Option<f64>, expected: impl Fn(&world::Atom) -> Vec<f64>) -> f64 {
        let outcomes = || self.world.atoms.iter().zip(&self.world.group);
        let distance = |minimiser: &Table, (atom, &group): (&world::Atom, &usize)| {
            let difference = sub(&minimiser[group], &expected(atom));
            let counts = |region: &f64| of.is_none_or(|of| *region == of);
            largest(difference.iter().zip(&atom.region).filter(|(_, region)| counts(region)).map(|(d, _)| d.abs()))
        };
        largest(
            self.minimisers.iter().flatten().flat_map(|minimiser| outcomes().map(move |outcome| distance(minimiser, outcome))),
        )
    }
}

/// The largest of values that are not negative.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, larger)
}

fn difference(a: &Table, b: &Table) -> f64 {
    largest(a.iter().zip(b).flat_map(|(a, b)| sub(a, b)).map(f64::abs))
}

fn exact(known: &Solved, ambiguous: &Solved) -> [Row; 3] {
    let not_weighted = ambiguous.farthest(|_| ambiguous.world.conditional_mean());
    let weighted = ambiguous.farthest(|lambda| ambiguous.world.weighted_mean(lambda));
    let of_known = known.farthest(|_| known.world.conditional_mean());
    [
        Row::equal("minimiser - E[x|x̂], region known, all λ", 0.0, of_known, 1e-10, EXACT)
            .control("ambiguous regions", not_weighted),
        Row::equal("minimiser - E[w x|x̂]/E[w|x̂], ambiguous regions, all λ", 0.0, weighted, 1e-10, EXACT)
            .control("E[x|x̂] instead", not_weighted),
        Row::equal("minimiser at λ = 0.8 less that at 0.1, region known", 0.0, known.movement(), 1e-10, EXACT)
            .control("ambiguous regions", ambiguous.movement()),
    ]
}

fn by_region(known: &Solved, ambiguous: &Solved, determined: &Solved, betrayed: &Solved) -> [Row; 3] {
    let off = |solved: &Solved| solved.farthest_where(Some(0.0), |atom| atom.corrupted.clone());
    let on = |solved: &Solved| solved.farthest_where(Some(1.0), |atom| solved.world.mean_given_context(atom));
    let all = |solved: &Solved| solved.farthest_where(None, |atom| atom.image.clone());
    [
        Row::equal("minimiser - x̂ off M, region known", 0.0, off(known), 1e-10, EXACT)
            .control("ambiguous regions", off(ambiguous)),
        Row::equal("minimiser - mean of x given its context, on M", 0.0, on(known), 1e-10, EXACT)
            .control("replacement that betrays x", on(betrayed)),
        Row::equal("minimiser - x, context determines x, regions ambiguous", 0.0, all(determined), 1e-10, EXACT)
            .control("context shared by several images", all(known)),
    ]
}

const TRAINED: &str = "Adam with a rate that falls to 0 leaves little of the distance to the optimum";

/// A table trained for each λ; the figure shows one value of the optimum against λ.
fn trained_tables<B: Backend<Elem = f64>>(
    backend: &B,
    known: &Solved,
    ambiguous: &Solved,
    steps: u64,
) -> Result<([Row; 2], Figure)> {
    let train = |solved: &Solved| -> Result<Vec<Table>> {
        LAMBDAS.iter().map(|&lambda| Problem { backend, world: &solved.world, lambda }.trained_table(steps)).collect()
    };
    let (of_known, of_ambiguous) = (train(known)?, train(ambiguous)?);
    let farthest = |tables: &[Table], expected: &dyn Fn(f64) -> Table| {
        largest(LAMBDAS.iter().zip(tables).map(|(&lambda, table)| difference(table, &expected(lambda))))
    };
    let not_weighted = farthest(&of_ambiguous, &|_| ambiguous.world.conditional_mean());
    let rows = [
        Row::equal(
            "trained table - E[x|x̂], region known, all λ",
            0.0,
            farthest(&of_known, &|_| known.world.conditional_mean()),
            0.01,
            TRAINED,
        )
        .control("ambiguous regions", not_weighted),
        Row::equal(
            "trained table - E[w x|x̂]/E[w|x̂], ambiguous regions, all λ",
            0.0,
            farthest(&of_ambiguous, &|lambda| ambiguous.world.weighted_mean(lambda)),
            0.01,
            TRAINED,
        )
        .control("E[x|x̂] instead", not_weighted),
    ];
    Ok((rows, figure(ambiguous, &of_ambiguous)))
}

/// A network trained with ambiguous regions at the smallest λ.
fn trained_network<B: Backend<Elem = f64>>(backend: &B, ambiguous: &Solved, setting: &Setting) -> Result<Row> {
    let problem = Problem { backend, world: &ambiguous.world, lambda: LAMBDAS[0] };
    let trained = problem.trained_network(setting.seed(), 64, setting.pick(3000, 6000))?;
    let row = Row::equal(
        "trained network - E[w x|x̂]/E[w|x̂], ambiguous regions, λ = 0.1",
        0.0,
        difference(&trained, &ambiguous.world.weighted_mean(LAMBDAS[0])),
        0.01,
        TRAINED,
    );
    Ok(row.control("E[x|x̂] instead", difference(&trained, &ambiguous.world.conditional_mean())))
}

/// The value of the optimum that moves most with λ.
fn figure(ambiguous: &Solved, trained: &[Table]) -> Figure {
    let world = &ambiguous.world;
    let movement = |&(group, i): &(usize, usize)| (world.weighted_mean(0.9)[group][i] - world.weighted_mean(0.1)[group][i]).abs();
    let entries = (0..world.inputs.len()).flat_map(|group| (0..world::VALUES).map(move |i| (group, i)));
    let (group, i) = entries.max_by(|a, b| movement(a).total_cmp(&movement(b))).unwrap_or((0, 0));
    let lambdas: Vec<f64> = (1..50).map(|step| f64::from(step) / 50.0).collect();
    let closed = lambdas.iter().map(|&lambda| (lambda, world.weighted_mean(lambda)[group][i])).collect();
    let mean = world.conditional_mean()[group][i];
    let series = vec![
        Series::line("E[w x|x̂]/E[w|x̂]", closed),
        Series::dots("trained", LAMBDAS.iter().zip(trained).map(|(&lambda, table)| (lambda, table[group][i])).collect()),
        Series::dashed("E[x|x̂], the optimum if M were known", vec![(0.0, mean), (1.0, mean)]),
    ];
    Figure {
        stem: "c6_lambda".into(),
        title: "With ambiguous regions the optimum depends on λ".into(),
        caption: "One value of the best reconstruction of one corrupted image, in closed form and trained. Where x̂ shows the \
             region, the optimum is the same for every λ."
            .into(),
        content: Content::Chart(Chart { x: AxisSpec::linear("λ"), y: AxisSpec::linear("f*(x̂) in one value"), series }),
    }
}
