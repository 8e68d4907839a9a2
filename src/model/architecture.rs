use super::{Autoencoder, Mlp, Net, Plan};
use crate::error::{Error, Result};
use crate::ops::MAX_BRANCHES;
use crate::shape::Shape;

/// The paper's dilations of the SDC block.
pub const DILATIONS: [usize; 6] = [1, 2, 4, 8, 16, 32];

/// Maximum base width and hidden layer width: far more than needed, but small enough that shapes cannot overflow.
pub const MAX_WIDTH: usize = 4096;

/// The kind and size of a network.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// Model I or II.
    Autoencoder(Autoencoder),
    /// Fully connected.
    Mlp(Mlp),
}

impl Architecture {
    /// Model I or II of base width `width` with the paper's dilations.
    ///
    /// # Errors
    /// As [`Architecture::validate`].
    pub fn autoencoder(model: u8, width: usize) -> Result<Self> {
        let own = Self::Autoencoder(Autoencoder { model, width, dilations: DILATIONS.to_vec() });
        own.validate().map(|()| own)
    }

    /// A fully connected network on `features` values.
    ///
    /// # Errors
    /// As [`Architecture::validate`].
    pub fn mlp(features: usize, hidden: &[usize]) -> Result<Self> {
        let own = Self::Mlp(Mlp { features, hidden: hidden.to_vec() });
        own.validate().map(|()| own)
    }

    /// Checks model number, widths and dilations.
    ///
    /// # Errors
    /// The first value outside its range, as a config error.
    pub fn validate(&self) -> Result<()> {
        let in_range = |key: &str, width: usize| match width {
            1..=MAX_WIDTH => Ok(()),
            _ => Err(Error::config(key, format!("must be 1 to {MAX_WIDTH}, got {width}"))),
        };
        match self {
            Self::Autoencoder(Autoencoder { model, width, dilations }) => {
                if !matches!(model, 1 | 2) {
                    return Err(Error::config("model.model", format!("must be 1 or 2, got {model}")));
                }
                if dilations.is_empty() || dilations.len() > MAX_BRANCHES || dilations.iter().any(|d| !(1..=1024).contains(d)) {
                    let wants = format!("needs 1 to {MAX_BRANCHES} dilations from 1 to 1024, got {dilations:?}");
                    return Err(Error::config("model.dilations", wants));
                }
                in_range("model.width", *width)
            }
            Self::Mlp(Mlp { features, hidden }) => {
                in_range("model.features", *features)?;
                hidden.iter().try_for_each(|&width| in_range("model.hidden", width))
            }
        }
    }

    /// Runs the network on `net`.
    ///
    /// # Errors
    /// What `net` reports.
    pub fn describe<N: Net>(&self, net: &mut N, x: N::Value) -> Result<N::Value> {
        match self {
            Self::Autoencoder(autoencoder) => autoencoder.describe(net, x),
            Self::Mlp(mlp) => mlp.describe(net, x),
        }
    }

    /// Layers, shapes, parameters and FLOPs for an input of shape `x`.
    ///
    /// # Errors
    /// An input that does not fit, e.g. height or width not divisible by 8.
    pub fn plan(&self, x: Shape) -> Result<Plan> {
        self.check_input(x)?;
        let mut plan = Plan::default();
        self.describe(&mut plan, x)?;
        Ok(plan)
    }

    /// Checks that images have three channels, and a height and width divisible by 8.
    pub(super) fn check_input(&self, x: Shape) -> Result<()> {
        if let Self::Autoencoder(_) = self {
            let [_, h, w, c] = x.nhwc("model")?;
            if h % 8 != 0 || w % 8 != 0 || c != 3 {
                return Err(Error::shape("model", format!("needs [N, H, W, 3] with H and W divisible by 8, got {x}")));
            }
        }
        Ok(())
    }

    /// The smallest valid input; running a [`Plan`] on it lists the parameters.
    ///
    /// # Errors
    /// As [`Architecture::validate`].
    pub fn smallest_input(&self) -> Result<Shape> {
        match self {
            Self::Autoencoder(_) => Shape::new(&[1, 8, 8, 3]),
            Self::Mlp(mlp) => Shape::new(&[1, mlp.features]),
        }
    }
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Autoencoder(Autoencoder { model, width, dilations }) => {
                write!(f, "Model {}, width {width}, dilations {dilations:?}", if *model == 1 { "I" } else { "II" })
            }
            Self::Mlp(Mlp { features, hidden }) => write!(f, "MLP {features} - {hidden:?} - {features}"),
        }
    }
}
