//! What is assumed of the hardware where nothing was measured: one table, with the source of each kind of number.

use serde::{Deserialize, Serialize};

use crate::backend::cuda::compiler::Arch;

/// Part of the nominal memory bandwidth that long copies reach, as measured on A100 and H100 by others (arXiv 2402.13499).
const DRAM_SHARE: f64 = 0.9;
/// Part of the L2 cache that holds what the previous kernel left there. The rest is streamed over by its own data.
const L2_SHARE: f64 = 0.6;
/// Seconds from a load to its data when DRAM is busy, from the same micro-benchmarks.
const LATENCY: f64 = 0.7e-6;
/// Seconds between two kernels of a graph.
const LAUNCH: f64 = 1.5e-6;
/// Part of its bound that a kernel reaches: good kernels reach 70 to 80 % of their scarcest resource.
const EFFICIENCY: f64 = 0.75;
/// Instructions that a multiprocessor issues per clock, one for each of its four schedulers.
const ISSUE: f64 = 4.0;
/// Bytes that shared memory delivers per clock and multiprocessor.
const SHARED: f64 = 128.0;

/// Rates of a card. FLOP/s count 2 per multiply-add, without sparsity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hardware {
    /// The card that the numbers describe.
    pub card: String,
    /// Number of multiprocessors.
    pub multiprocessors: u32,
    /// Clock in hertz under load.
    pub clock: f64,
    /// Bytes per second that DRAM reaches.
    pub dram: f64,
    /// Bytes per second from L2 to the multiprocessors.
    pub l2: f64,
    /// Bytes of what the previous kernel used that L2 still holds.
    pub l2_kept: f64,
    /// Bytes per clock and multiprocessor from shared memory.
    pub shared: f64,
    /// Instructions issued per clock and multiprocessor.
    pub issue: f64,
    /// FLOP/s of f32 multiply-adds.
    pub fma: f64,
    /// FLOP/s of bf16 products by `mma.sync`, the instruction of the kernels.
    pub matrix: f64,
    /// FLOP/s of bf16 products by the card's fastest instruction, for the floor.
    pub matrix_peak: f64,
    /// Seconds from a load of global memory to its data.
    pub latency: f64,
    /// Seconds between two kernels.
    pub launch: f64,
    /// Part of its bound that a kernel reaches.
    pub efficiency: f64,
}

/// One card per compute capability, from NVIDIA's whitepapers (A100, GA102, AD102, H100, Blackwell): multiprocessors, boost
/// clock, DRAM, L2 size, FLOP/s. The bandwidth of L2 and the share that `mma.sync` reaches are from micro-benchmarks (arXiv
/// 2402.13499 and 2501.12084, Chips and Cheese); for Blackwell `mma.sync` is assumed to be as fast per multiprocessor and clock
/// as on Hopper.
struct Card {
    capability: (u32, u32),
    name: &'static str,
    /// Words in the driver's names of cards of this capability.
    words: &'static [&'static str],
    multiprocessors: u32,
    mhz: f64,
    dram_gb_s: f64,
    l2_gb_s: f64,
    l2_mib: f64,
    fma_tflop_s: f64,
    matrix_tflop_s: f64,
    mma_sync: f64,
}

static CARDS: [Card; 6] = [
    Card {
        capability: (8, 0),
        name: "A100 SXM 80 GB",
        words: &["A100", "A800", "A30"],
        multiprocessors: 108,
        mhz: 1410.0,
        dram_gb_s: 2039.0,
        l2_gb_s: 4000.0,
        l2_mib: 40.0,
        fma_tflop_s: 19.5,
        matrix_tflop_s: 312.0,
        mma_sync: 0.95,
    },
    Card {
        capability: (8, 6),
        name: "RTX 3090",
        words: &["RTX 30", "RTX A", "A10", "A40", "A16"],
        multiprocessors: 82,
        mhz: 1695.0,
        dram_gb_s: 936.0,
        l2_gb_s: 1800.0,
        l2_mib: 6.0,
        fma_tflop_s: 35.6,
        matrix_tflop_s: 71.0,
        mma_sync: 0.95,
    },
    Card {
        capability: (8, 9),
        name: "RTX 4090",
        words: &["RTX 40", "L4", "L40", "Ada"],
        multiprocessors: 128,
        mhz: 2520.0,
        dram_gb_s: 1008.0,
        l2_gb_s: 5000.0,
        l2_mib: 72.0,
        fma_tflop_s: 82.6,
        matrix_tflop_s: 165.2,
        mma_sync: 0.95,
    },
    Card {
        capability: (9, 0),
        name: "H100 SXM",
        words: &["H100", "H200", "H800", "H20", "GH200"],
        multiprocessors: 132,
        mhz: 1755.0,
        dram_gb_s: 3350.0,
        l2_gb_s: 5500.0,
        l2_mib: 50.0,
        fma_tflop_s: 66.9,
        matrix_tflop_s: 989.0,
        mma_sync: 0.62,
    },
    Card {
        capability: (10, 0),
        name: "B200",
        words: &["B200", "GB200", "B100", "B300", "GB300"],
        multiprocessors: 148,
        mhz: 1965.0,
        dram_gb_s: 8000.0,
        l2_gb_s: 9000.0,
        l2_mib: 126.0,
        fma_tflop_s: 74.5,
        matrix_tflop_s: 2250.0,
        mma_sync: 0.34,
    },
    Card {
        capability: (12, 0),
        name: "RTX 5090",
        words: &["RTX 50", "Blackwell"],
        multiprocessors: 170,
        mhz: 2407.0,
        dram_gb_s: 1792.0,
        l2_gb_s: 7000.0,
        l2_mib: 96.0,
        fma_tflop_s: 104.8,
        matrix_tflop_s: 209.5,
        mma_sync: 0.95,
    },
];

impl Hardware {
    /// The usual card of an architecture; None if none is in the table.
    pub fn of(arch: &Arch) -> Option<Self> {
        CARDS.iter().find(|card| card.capability == arch.capability).map(Self::from)
    }

    /// The compute capability of the card with this name, such as `NVIDIA H100 80GB HBM3`; None if it is not in the table.
    pub fn capability(device: &str) -> Option<(u32, u32)> {
        // The longest word counts: A10 is another card than A100.
        let named =
            |card: &'static Card| card.words.iter().filter(|word| device.contains(**word)).map(move |word| (word.len(), card));
        CARDS.iter().flat_map(named).max_by_key(|(length, _)| *length).map(|(_, card)| card.capability)
    }

    /// Seconds by formula at the card's highest rates: every byte from DRAM, or all arithmetic on the fastest unit of its kind.
    /// Bytes that L2 still holds and products that a kernel skips can make a kernel faster than this.
    pub fn floor(&self, bytes: f64, matrix: f64, others: f64) -> f64 {
        (bytes / self.dram).max(matrix / self.matrix_peak + others / self.fma)
    }
}

impl From<&Card> for Hardware {
    fn from(card: &Card) -> Self {
        Self {
            card: card.name.into(),
            multiprocessors: card.multiprocessors,
            clock: 1e6 * card.mhz,
            dram: 1e9 * card.dram_gb_s * DRAM_SHARE,
            l2: 1e9 * card.l2_gb_s,
            l2_kept: card.l2_mib * f64::from(1 << 20) * L2_SHARE,
            shared: SHARED,
            issue: ISSUE,
            fma: 1e12 * card.fma_tflop_s,
            matrix: 1e12 * card.matrix_tflop_s * card.mma_sync,
            matrix_peak: 1e12 * card.matrix_tflop_s,
            latency: LATENCY,
            launch: LAUNCH,
            efficiency: EFFICIENCY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cuda::compiler::ARCHITECTURES;

    #[test]
    fn every_architecture_has_a_card() {
        for arch in &ARCHITECTURES {
            let hardware = Hardware::of(arch).unwrap();
            // FFMA on 128 lanes of every multiprocessor (64 on the A100) at the boost clock, which is what the whitepapers count.
            let lanes = hardware.fma / (2.0 * hardware.clock * f64::from(hardware.multiprocessors));
            let expected = if arch.name == "sm_80" { 64.0 } else { 128.0 };
            assert!((lanes / expected - 1.0).abs() < 0.15, "{arch}: {lanes} lanes");
            assert!(hardware.matrix < hardware.matrix_peak && hardware.dram < hardware.l2, "{arch}: {hardware:?}");
        }
    }

    #[test]
    fn cards_are_recognised_by_the_names_that_drivers_give() {
        for (name, capability) in [
            ("NVIDIA H100 80GB HBM3", Some((9, 0))),
            ("NVIDIA A100-SXM4-80GB", Some((8, 0))),
            ("NVIDIA A10", Some((8, 6))),
            ("NVIDIA GeForce RTX 4090", Some((8, 9))),
            ("NVIDIA RTX A6000", Some((8, 6))),
            ("NVIDIA GeForce RTX 5090", Some((12, 0))),
            ("NVIDIA GB200", Some((10, 0))),
            ("a slide rule", None),
        ] {
            assert_eq!(Hardware::capability(name), capability, "{name}");
        }
    }

    #[test]
    fn the_floor_is_the_longer_of_memory_and_arithmetic() {
        let hardware = Hardware::of(Arch::named("sm_90a").unwrap()).unwrap();
        assert!((hardware.floor(3.015e9, 0.0, 0.0) - 1e-3).abs() < 1e-12);
        assert!((hardware.floor(1.0, 989e9, 66.9e9) - 2e-3).abs() < 1e-12);
    }
}
