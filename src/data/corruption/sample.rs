use super::field::lerp;
use crate::data::Image;

/// Red, green and blue.
pub(in crate::data) type Colour = [f32; 3];

/// `1/2 + gain (v - 1/2) + shift`, clamped to [0, 1].
pub(super) fn affine(value: Colour, gain: f32, shift: Colour) -> Colour {
    std::array::from_fn(|c| (0.5 + gain * (value[c] - 0.5) + shift[c]).clamp(0.0, 1.0))
}

/// The pixel at a row and column inside the picture.
pub(super) fn pixel(image: &Image, row: usize, column: usize) -> Colour {
    [0, 1, 2].map(|c| image[[row, column, c]])
}

/// The picture at real coordinates (pixel centres at integers), interpolated bilinearly: first along the row, then across rows.
/// Beyond its border the picture is extended by reflection.
pub(in crate::data) fn bilinear(image: &Image, row: f32, column: f32) -> Colour {
    let (height, width, _) = image.dim();
    let (top, left) = (row.floor(), column.floor());
    let rows = [top as i32, top as i32 + 1].map(|i| reflect(i, height));
    let columns = [left as i32, left as i32 + 1].map(|j| reflect(j, width));
    let (down, right) = (row - top, column - left);
    let corners = rows.map(|i| columns.map(|j| pixel(image, i, j)));
    std::array::from_fn(|c| {
        let upper = lerp(corners[0][0][c], corners[0][1][c], right);
        let lower = lerp(corners[1][0][c], corners[1][1][c], right);
        lerp(upper, lower, down)
    })
}

/// Index into n values extended by reflection on both sides: ... 1 0 | 0 1 ... n-1 | n-1 n-2 ...
pub(super) fn reflect(i: i32, n: usize) -> usize {
    let place = (i64::from(i)).rem_euclid(2 * n as i64) as usize;
    if place < n { place } else { 2 * n - 1 - place }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflection_alternates_direction() {
        let walk: Vec<usize> = (-4..9).map(|i| reflect(i, 3)).collect();
        assert_eq!(walk, [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2]);
        assert_eq!(reflect(-17, 1), 0);
    }

    #[test]
    fn bilinear_gives_pixels_and_their_means() {
        let image = Image::from_shape_fn((2, 3, 3), |(row, column, c)| (9 * row + 3 * column + c) as f32 / 32.0);
        assert_eq!(bilinear(&image, 1.0, 2.0), pixel(&image, 1, 2));
        assert_eq!(bilinear(&image, -1.0, 3.0), pixel(&image, 0, 2));
        let want: Colour = std::array::from_fn(|c| {
            (pixel(&image, 0, 0)[c] + pixel(&image, 0, 1)[c] + pixel(&image, 1, 0)[c] + pixel(&image, 1, 1)[c]) / 4.0
        });
        assert_eq!(bilinear(&image, 0.5, 0.5), want);
    }
}
