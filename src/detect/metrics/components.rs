//! Connected components of a mask.

use crate::data::Plane;

/// Whether a mask value marks an anomalous pixel: above one half.
pub fn is_anomalous(value: f32) -> bool {
    value > 0.5
}

/// The 8-connected components of a mask: pixels that touch by a side or a corner belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    /// `[height, width]`: number of the component, counted from 1 in reading order of its first pixel; 0 where normal.
    pub labels: Vec<u32>,
    /// Pixels of each component; that of component number k is `areas[k - 1]`.
    pub areas: Vec<u64>,
}

impl Components {
    /// The components of `mask`, whose pixels are anomalous above one half.
    pub fn of(mask: &Plane) -> Self {
        let mut found = Self { labels: vec![0; mask.values.len()], areas: Vec::new() };
        for start in 0..mask.values.len() {
            if is_anomalous(mask.values[start]) && found.labels[start] == 0 {
                found.flood(mask, start);
            }
        }
        found
    }

    /// Gives the next number to all that is connected to pixel `start`.
    fn flood(&mut self, mask: &Plane, start: usize) {
        let label = self.areas.len() as u32 + 1;
        let mut area = 0;
        let mut open = vec![start];
        self.labels[start] = label;
        while let Some(pixel) = open.pop() {
            area += 1;
            for next in neighbourhood(mask, pixel) {
                if is_anomalous(mask.values[next]) && self.labels[next] == 0 {
                    self.labels[next] = label;
                    open.push(next);
                }
            }
        }
        self.areas.push(area);
    }
}

/// The 3 x 3 pixels around `pixel`, itself included, as far as they are inside.
fn neighbourhood(mask: &Plane, pixel: usize) -> impl Iterator<Item = usize> {
    let (width, row, column) = (mask.width, pixel / mask.width, pixel % mask.width);
    let rows = row.saturating_sub(1)..(row + 2).min(mask.height);
    let columns = column.saturating_sub(1)..(column + 2).min(width);
    rows.flat_map(move |row| columns.clone().map(move |column| row * width + column))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn components(rows: &[&str]) -> Components {
        let values = rows.iter().flat_map(|row| row.chars().map(|c| f32::from(c == '#'))).collect();
        Components::of(&Plane::new(rows.len(), rows[0].len(), values).unwrap())
    }

    #[test]
    fn corners_connect_and_rows_do_not_wrap() {
        let found = components(&["#..#", "....", ".#..", "..#.", "###."]);
        assert_eq!(found.areas, [1, 1, 5]);
        assert_eq!(found.labels[..4], [1, 0, 0, 2]);
        assert_eq!(components(&["..#", "#..", "..#"]).areas, [1, 1, 1]);
    }

    #[test]
    fn a_spiral_is_one_component_and_an_empty_mask_has_none() {
        assert_eq!(components(&["#####", "....#", "###.#", "#...#", "#####"]).areas, [17]);
        assert_eq!(components(&["...", "..."]).areas, [0; 0]);
    }

    #[test]
    fn one_half_is_normal() {
        let mask = Plane::new(1, 3, vec![0.5, 0.500_1, f32::NAN]).unwrap();
        assert_eq!(Components::of(&mask).labels, [0, 1, 0]);
    }
}
