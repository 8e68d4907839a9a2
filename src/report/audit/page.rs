use super::super::curves::curves;
use super::super::document::{document, facts, header};
use super::super::html::escape;
use super::super::maths;
use super::table::{dimensions, interval, notes, value};
use crate::audit::{Card, Finding, Quantity};
use crate::theory::figure::{AxisSpec, Chart, Series};

const STYLE: &str = include_str!("audit.css");
const TITLE: &str = "Projection card";
/// What both estimates of the dimension say.
const DIMENSION: &str = "Intrinsic dimension of the reference images; the same for every map.";

/// The content of a page. All text is plain text.
pub struct AuditPage<'a> {
    /// The measured card.
    pub card: &'a Card,
    /// A short name of the map.
    pub name: String,
    /// What was audited on what, in one line.
    pub subtitle: String,
    /// Names and values that identify the run.
    pub facts: Vec<(String, String)>,
}

impl AuditPage<'_> {
    /// The page as one HTML document.
    pub fn render(&self) -> String {
        let body = [header(TITLE, &self.subtitle), self.results(), self.charts(), footer()];
        document(TITLE, STYLE, &body.concat())
    }

    fn results(&self) -> String {
        let notes: String =
            notes(self.card).iter().map(|note| format!("<p class=\"note\">{}</p>\n", maths::html(note))).collect();
        format!(
            "<section>\n<h2>How orthogonal is it?</h2>\n<div class=\"audit\">{}</div>\n{notes}{}</section>\n",
            self.table(),
            facts(&self.facts)
        )
    }

    fn table(&self) -> String {
        let names = [self.name.as_str()].into_iter().chain(self.card.baselines.keys().map(String::as_str));
        let headings: String = names.map(|name| format!("<th>{}</th>", escape(name))).collect();
        let rows: String = Quantity::ALL.into_iter().map(|quantity| self.row(quantity)).collect();
        let dimensions: String = dimensions(self.card)
            .into_iter()
            .map(|(name, finding)| {
                format!(
                    "<tr>{}<td class=\"own\">{}<small>{}</small></td></tr>\n",
                    heading(name, DIMENSION),
                    value(finding),
                    interval(finding)
                )
            })
            .collect();
        format!("<table>\n<thead><tr><th>quantity</th>{headings}</tr></thead>\n<tbody>\n{rows}{dimensions}</tbody>\n</table>")
    }

    fn row(&self, quantity: Quantity) -> String {
        let beside = self
            .card
            .baselines
            .iter()
            .map(|(name, measures)| format!("<td data-name=\"{}\">{}</td>", escape(name), value(measures.get(quantity))));
        format!(
            "<tr>{}{}{}</tr>\n",
            heading(quantity.symbols(), quantity.meaning()),
            own(&self.name, self.card.map.get(quantity)),
            beside.collect::<String>()
        )
    }

    fn charts(&self) -> String {
        let figure = |title: &str, caption: &str, chart: &Chart| {
            format!(
                "<figure><figcaption><h2>{}</h2><p>{}</p></figcaption>{}</figure>\n",
                maths::html(title),
                maths::html(caption),
                curves(title, chart)
            )
        };
        let charts = [
            figure(
                "Leading singular values of J",
                "Mean over the images, with 95 % intervals; a value that has not converged is drawn at its lower bound. An orthogonal projection onto a manifold of dimension d has d values of 1, then 0.",
                &self.spectrum(),
            ),
            figure(
                "Trace and norm",
                "One dot per image; a few random directions per image scatter the dots. An orthogonal projection lies on the dashed line, where ‖J‖² = tr J = d, an oblique one above it.",
                &self.traces(),
            ),
            figure(
                "What is changed",
                "One dot per corrupted image, as shares of ‖e‖. Exact restoration is at the right end of the dashed line.",
                &self.changes(),
            ),
        ];
        format!("<section class=\"charts\">\n{}</section>\n", charts.concat())
    }

    fn spectrum(&self) -> Chart {
        let points = |findings: &[Finding]| -> Vec<(f64, f64)> {
            let height = |finding: &Finding| match finding {
                Finding::Estimate { value, .. } => Some(*value),
                Finding::AtLeast { low, .. } => Some(*low),
                Finding::Undetermined(_) => None,
            };
            (1..).zip(findings).filter_map(|(place, finding)| Some((f64::from(place), height(finding)?))).collect()
        };
        let ends = |finding: &Finding| match finding {
            Finding::Estimate { low, high, .. } => Some((*low, *high)),
            Finding::AtLeast { low, .. } => Some((*low, *low)),
            Finding::Undetermined(_) => None,
        };
        let own = &self.card.map.singular_values;
        let line = Series { spread: own.iter().filter_map(ends).collect(), ..Series::line(&self.name, points(own)) };
        let beside = self.card.baselines.iter();
        let mut series = vec![line];
        series.extend(beside.map(|(name, measures)| Series::dashed(name, points(&measures.singular_values))));
        series.retain(|series| !series.points.is_empty());
        Chart { x: AxisSpec::linear("number"), y: AxisSpec::linear("singular value"), series }
    }

    fn traces(&self) -> Chart {
        let measures = &self.card.map;
        let [traces, norms] = [Quantity::Trace, Quantity::Frobenius].map(|quantity| measures.per_image(quantity));
        let largest = traces.iter().copied().fold(0.0, f64::max);
        Chart {
            x: AxisSpec::linear("tr J"),
            y: AxisSpec::linear("‖J‖²"),
            series: vec![
                Series::dots(&self.name, traces.iter().copied().zip(norms.iter().copied()).collect()),
                Series::dashed("orthogonal projections", vec![(0.0, 0.0), (largest, largest)]),
            ],
        }
    }

    fn changes(&self) -> Chart {
        let measures = &self.card.map;
        let [on, off] = [Quantity::ChangeOn, Quantity::ChangeOff].map(|quantity| measures.per_image(quantity));
        Chart {
            x: AxisSpec::linear("change on the corrupted region"),
            y: AxisSpec::linear("change off the region"),
            series: vec![
                Series::dots(&self.name, on.iter().copied().zip(off.iter().copied()).collect()),
                Series::dashed("nothing changed elsewhere", vec![(0.0, 0.0), (1.0, 0.0)]),
            ],
        }
    }
}

fn heading(name: &str, text: &str) -> String {
    format!("<th scope=\"row\">{}<small>{}</small></th>", maths::html(name), maths::html(text))
}

/// The cell of the audited map.
fn own(name: &str, finding: &Finding) -> String {
    format!("<td class=\"own\" data-name=\"{}\">{}<small>{}</small></td>", escape(name), value(finding), interval(finding))
}

fn footer() -> String {
    "<footer>\n<p>x is a normal image of n values, x̂ a corrupted copy, e = x̂ − x, S the corrupted region, J the Jacobian of f at x, T the \
     tangent space of the normal images at x. Norms of matrices are Frobenius norms, measured with random signs. Below each value is its 95 % \
     bootstrap interval over the images. All numbers, also per image, are in audit.json. Written by orthoscope audit.</p>\n</footer>\n"
        .to_owned()
}
