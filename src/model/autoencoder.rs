use super::Net;
use crate::error::Result;
use crate::shape::Activation::{Elu, Sigmoid};

/// Model I (no skips) or Model II (skips through convex combination modules), Method §4.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Autoencoder {
    /// 1 or 2.
    pub model: u8,
    /// Base width w: channels at full resolution.
    pub width: usize,
    /// Dilations of the SDC branches.
    pub dilations: Vec<usize>,
}

impl Default for Autoencoder {
    /// Model II at half the paper's width.
    fn default() -> Self {
        Self { model: 2, width: 32, dilations: super::DILATIONS.to_vec() }
    }
}

impl Autoencoder {
    /// f(x): x `[N, H, W, 3]` in [0, 1], H and W divisible by 8; the result has x's shape.
    pub(super) fn describe<N: Net>(&self, net: &mut N, x: N::Value) -> Result<N::Value> {
        let w = self.width;
        let [s1, z] = pair_and_pool(net, "e1", x, w)?;
        let [s2, z] = pair_and_pool(net, "e2", z, 2 * w)?;
        let [s3, mut z] = pair_and_pool(net, "e3", z, 4 * w)?;
        for block in 0..4 {
            z = net.sdc(&format!("sdc.{block}"), z, w, &self.dilations)?;
        }
        z = net.conv("b", z, 4 * w, 1, Elu)?;
        z = self.up(net, 3, s3, z, [4 * w, 2 * w])?;
        z = self.up(net, 2, s2, z, [2 * w, w])?;
        z = self.up(net, 1, s1, z, [w, w])?;
        net.conv("out", z, 3, 1, Sigmoid)
    }

    /// Stages U and D of one level: `[c_in, c_out]` channels, skip s.
    fn up<N: Net>(&self, net: &mut N, level: usize, s: N::Value, z: N::Value, [c_in, c_out]: [usize; 2]) -> Result<N::Value> {
        let up = net.upsample2(z)?;
        let mut u = net.conv(&format!("u{level}"), up, c_in, 3, Elu)?;
        if self.model == 2 {
            u = net.ccm(&format!("ccm{level}"), s, u)?;
        }
        pair(net, &format!("d{level}"), u, [c_out, c_out])
    }
}

/// Two 3x3 convolutions with ELU, and the maxima of the result.
fn pair_and_pool<N: Net>(net: &mut N, name: &str, x: N::Value, channels: usize) -> Result<[N::Value; 2]> {
    let x = net.conv(&format!("{name}.0"), x, channels, 3, Elu)?;
    net.conv_and_pool(&format!("{name}.1"), x, channels, 3, Elu)
}

/// Two 3x3 convolutions with ELU.
fn pair<N: Net>(net: &mut N, name: &str, x: N::Value, channels: [usize; 2]) -> Result<N::Value> {
    let x = net.conv(&format!("{name}.0"), x, channels[0], 3, Elu)?;
    net.conv(&format!("{name}.1"), x, channels[1], 3, Elu)
}
