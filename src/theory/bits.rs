//! Numbers in files by their bits: JSON has no NaN and no infinity, and an interrupted run is to end with the same bits as one in
//! one go.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    value.to_bits().serialize(serializer)
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    u64::deserialize(deserializer).map(f64::from_bits)
}

/// Pairs of numbers.
pub mod pairs {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(pairs: &[(f64, f64)], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(pairs.iter().map(|(x, y)| (x.to_bits(), y.to_bits())))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(f64, f64)>, D::Error> {
        let pairs: Vec<(u64, u64)> = Vec::deserialize(deserializer)?;
        Ok(pairs.into_iter().map(|(x, y)| (f64::from_bits(x), f64::from_bits(y))).collect())
    }
}

/// Matrices.
pub mod matrix {
    use ndarray::Array2;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub fn serialize<S: Serializer>(values: &Array2<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        (values.dim(), values.iter().map(|value| value.to_bits()).collect::<Vec<_>>()).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Array2<f64>, D::Error> {
        let (dim, bits): ((usize, usize), Vec<u64>) = Deserialize::deserialize(deserializer)?;
        Array2::from_shape_vec(dim, bits.into_iter().map(f64::from_bits).collect()).map_err(D::Error::custom)
    }
}
