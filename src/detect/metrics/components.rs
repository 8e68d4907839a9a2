//! Connected components of a mask.

use ndarray::{Array2, s};

/// Whether a mask value marks an anomalous pixel, i.e. exceeds one half.
pub fn is_anomalous(value: f32) -> bool {
    value > 0.5
}

/// The 8-connected components of a mask: pixels that share a side or a corner belong to the same component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    /// `[height, width]`: the number of the component, or 0 outside the mask. Components are numbered from 1 in row-major order
    /// of their first pixels.
    pub labels: Array2<u32>,
    /// Number of pixels of each component; `areas[k - 1]` belongs to component number k.
    pub areas: Vec<u64>,
}

impl Components {
    /// The components of `mask`.
    pub fn of(mask: &Array2<bool>) -> Self {
        let mut found = Self { labels: Array2::zeros(mask.dim()), areas: Vec::new() };
        for (start, &marked) in mask.indexed_iter() {
            if marked && found.labels[start] == 0 {
                found.flood(mask, start);
            }
        }
        found
    }

    /// Labels the component of pixel `start` with the next number.
    fn flood(&mut self, mask: &Array2<bool>, start: (usize, usize)) {
        let label = self.areas.len() as u32 + 1;
        let mut area = 0;
        let mut open = vec![start];
        self.labels[start] = label;
        while let Some((row, column)) = open.pop() {
            area += 1;
            let (top, left) = (row.saturating_sub(1), column.saturating_sub(1));
            let around = s![top..(row + 2).min(mask.nrows()), left..(column + 2).min(mask.ncols())];
            for ((down, right), &marked) in mask.slice(around).indexed_iter() {
                let next = (top + down, left + right);
                if marked && self.labels[next] == 0 {
                    self.labels[next] = label;
                    open.push(next);
                }
            }
        }
        self.areas.push(area);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn components(rows: &[&str]) -> Components {
        let marked = |(row, column): (usize, usize)| rows[row].as_bytes()[column] == b'#';
        Components::of(&Array2::from_shape_fn((rows.len(), rows[0].len()), marked))
    }

    #[test]
    fn corners_connect_and_rows_do_not_wrap() {
        let found = components(&["#..#", "....", ".#..", "..#.", "###."]);
        assert_eq!(found.areas, [1, 1, 5]);
        assert_eq!(found.labels.row(0), array![1, 0, 0, 2]);
        assert_eq!(components(&["..#", "#..", "..#"]).areas, [1, 1, 1]);
    }

    #[test]
    fn a_spiral_is_one_component_and_an_empty_mask_has_none() {
        assert_eq!(components(&["#####", "....#", "###.#", "#...#", "#####"]).areas, [17]);
        assert_eq!(components(&["...", "..."]).areas, [0; 0]);
    }

    #[test]
    fn one_half_is_normal() {
        assert_eq!([0.5, 0.500_1, f32::NAN].map(is_anomalous), [false, true, false]);
    }
}
