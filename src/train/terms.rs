use serde::{Deserialize, Serialize};

use super::ObjectiveConfig;
use crate::error::Result;
use crate::ops::{Backend, Penalty};
use crate::tape::{Tape, Var};

/// The terms of an objective that has more than the two regions, without their weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms<T> {
    /// The two-region objective of Method §3.
    #[serde(rename = "loss_regions")]
    pub regions: T,
    /// 1 - mean SSIM; absent if its weight is 0.
    #[serde(rename = "loss_ssim", default, skip_serializing_if = "Option::is_none")]
    pub ssim: Option<T>,
    /// 1 - mean multi-scale gradient magnitude similarity; absent if its weight is 0.
    #[serde(rename = "loss_gradient", default, skip_serializing_if = "Option::is_none")]
    pub gradient: Option<T>,
}

impl<T> Terms<T> {
    /// The same terms in another form.
    ///
    /// # Errors
    /// The first error of `form`.
    pub(super) fn try_map<U>(&self, mut form: impl FnMut(&T) -> Result<U>) -> Result<Terms<U>> {
        Ok(Terms {
            regions: form(&self.regions)?,
            ssim: self.ssim.as_ref().map(&mut form).transpose()?,
            gradient: self.gradient.as_ref().map(&mut form).transpose()?,
        })
    }

    /// The terms in a fixed order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        [Some(&self.regions), self.ssim.as_ref(), self.gradient.as_ref()].into_iter().flatten()
    }

    /// As [`Terms::iter`].
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        [Some(&mut self.regions), self.ssim.as_mut(), self.gradient.as_mut()].into_iter().flatten()
    }
}

impl ObjectiveConfig {
    /// The terms that this objective has besides the two regions; none if there are none.
    pub(super) fn terms(&self) -> Option<Terms<()>> {
        let [ssim, gradient] = [self.ssim.weight, self.gradient.weight].map(|weight| (weight > 0.0).then_some(()));
        (ssim.is_some() || gradient.is_some()).then_some(Terms { regions: (), ssim, gradient })
    }

    /// What the loss has besides squared errors of the two regions, in words, e.g. `0.5 ssim (window 11) + 1 gradient (4
    /// scales)`, or the Charbonnier penalty instead of them; none if it has nothing else.
    pub fn added_terms(&self) -> Option<String> {
        let penalty = match self.penalty {
            Penalty::Squared => None,
            Penalty::Charbonnier => Some(format!("charbonnier penalty (epsilon {})", self.epsilon)),
        };
        let of = |weight: f64, name: &str, extent: String| (weight > 0.0).then(|| format!("{weight} {name} ({extent})"));
        let ssim = of(self.ssim.weight, "ssim", format!("window {}", self.ssim.window));
        let gradient = of(self.gradient.weight, "gradient", format!("{} scales", self.gradient.scales));
        let terms: Vec<String> = [penalty, ssim, gradient].into_iter().flatten().collect();
        (!terms.is_empty()).then(|| terms.join(" + "))
    }

    /// Records the loss of `output` and `target` `[N, H, W, C]` with the mask `region`, and its terms, if there are several.
    pub(super) fn record<B: Backend>(
        &self,
        tape: &mut Tape<B>,
        [output, target, region]: [Var; 3],
    ) -> Result<(Var, Option<Terms<Var>>)> {
        let regions = tape.objective(output, target, region, self.penalty, self.lambda, self.epsilon)?;
        let Some(terms) = self.terms() else { return Ok((regions, None)) };
        let ssim = terms.ssim.map(|()| tape.ssim_loss(output, target, self.ssim.window)).transpose()?;
        let gradient = terms.gradient.map(|()| tape.gradient_loss(output, target, self.gradient.scales)).transpose()?;
        let mut loss = regions;
        for (term, weight) in [(ssim, self.ssim.weight), (gradient, self.gradient.weight)] {
            let Some(term) = term else { continue };
            let weighted = tape.affine(term, weight, 0.0)?;
            loss = tape.add(loss, weighted)?;
        }
        Ok((loss, Some(Terms { regions, ssim, gradient })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Reference;
    use crate::rng::{Purpose, Stream};
    use crate::shape::Shape;
    use crate::tape::Tensor;
    use crate::train::{GradientConfig, SsimConfig};

    /// Loss, terms and the gradient of the output, of one objective on fixed images.
    fn loss(objective: &ObjectiveConfig) -> (f64, Option<Terms<f64>>, Vec<f64>) {
        let backend = Reference::<f64>::default();
        let mut stream = Stream::new(7, Purpose::Test, 0, 0);
        let mut draw = |dims: &[usize]| {
            let shape = Shape::new(dims).unwrap();
            let values: Vec<f64> = (0..shape.len()).map(|_| f64::from(stream.range(0.0, 1.0))).collect();
            Tensor::from_f64(&backend, shape, &values).unwrap()
        };
        let mut tape = Tape::new(backend);
        let output = tape.variable(draw(&[2, 8, 9, 3]));
        let [target, region] = [tape.constant(draw(&[2, 8, 9, 3])), tape.constant(draw(&[2, 8, 9, 1]))];
        let (loss, terms) = objective.record(&mut tape, [output, target, region]).unwrap();
        let value = |var: &Var| tape.host(*var).map(|host| host[0]);
        let terms = terms.map(|terms| terms.try_map(value).unwrap());
        (value(&loss).unwrap(), terms, tape.backward(loss).unwrap().host(output).unwrap())
    }

    #[test]
    fn terms_of_weight_0_change_nothing() {
        let plain = loss(&ObjectiveConfig::default());
        let other = ObjectiveConfig {
            ssim: SsimConfig { weight: 0.0, window: 5 },
            gradient: GradientConfig { weight: 0.0, scales: 1 },
            ..ObjectiveConfig::default()
        };
        assert_eq!(loss(&other), plain);
        assert!(plain.1.is_none() && other.added_terms().is_none());
    }

    #[test]
    fn the_loss_is_the_weighted_sum_of_its_terms_and_so_is_its_gradient() {
        let with = |of_ssim, of_gradient| ObjectiveConfig {
            ssim: SsimConfig { weight: of_ssim, window: 5 },
            gradient: GradientConfig { weight: of_gradient, scales: 2 },
            ..ObjectiveConfig::default()
        };
        let (plain, _, slope) = loss(&with(0.0, 0.0));
        let [(ssim, only_ssim, of_ssim), (gradient, only_gradient, of_gradient)] = [loss(&with(1.0, 0.0)), loss(&with(0.0, 1.0))];
        assert!(only_ssim.unwrap().gradient.is_none() && only_gradient.unwrap().ssim.is_none());
        let (both, terms, of_both) = loss(&with(0.5, 2.0));
        assert_eq!(with(0.5, 2.0).added_terms().unwrap(), "0.5 ssim (window 5) + 2 gradient (2 scales)");
        let robust = ObjectiveConfig { penalty: Penalty::Charbonnier, ..with(0.0, 2.0) };
        assert_eq!(robust.added_terms().unwrap(), "charbonnier penalty (epsilon 0.05) + 2 gradient (2 scales)");
        let terms = terms.unwrap();
        assert_eq!(terms.regions, plain);
        assert!((terms.ssim.unwrap() - (ssim - plain)).abs() < 1e-12 && terms.ssim.unwrap() > 0.1);
        assert!((terms.gradient.unwrap() - (gradient - plain)).abs() < 1e-12 && terms.gradient.unwrap() > 0.1);
        assert!((both - (plain + 0.5 * (ssim - plain) + 2.0 * (gradient - plain))).abs() < 1e-12);
        for (at, both) in of_both.iter().enumerate() {
            let sum = slope[at] + 0.5 * (of_ssim[at] - slope[at]) + 2.0 * (of_gradient[at] - slope[at]);
            assert!((both - sum).abs() < 1e-12);
        }
    }
}
