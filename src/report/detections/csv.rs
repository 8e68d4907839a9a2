//! `results.csv`.

use super::row::{Judged, Row};
use crate::error::{Error, Result};

const COLUMNS: [&str; 18] = [
    "image",
    "name",
    "verdict",
    "score",
    "threshold",
    "height",
    "width",
    "pixel_threshold",
    "anomalous_pixels",
    "regions",
    "top",
    "left",
    "box_height",
    "box_width",
    "area",
    "peak",
    "warning",
    "skipped",
];

/// Columns from `score` to `peak`.
const NUMBERS: usize = 13;

/// The table: a header and one row for each picture, in the order of the rows. UTF-8 with line feeds; fields are quoted as RFC
/// 4180 says. Numbers have a point and as many digits as it takes to read them back to the bit.
///
/// # Errors
/// None that can occur: memory takes every byte.
pub fn csv(rows: &[Row]) -> Result<Vec<u8>> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(Error::format)?;
    for row in rows {
        writer.write_record(fields(row)).map_err(Error::format)?;
    }
    writer.into_inner().map_err(|error| Error::format(error.into_error()))
}

fn fields(row: &Row) -> Vec<String> {
    let (numbers, skipped) = match &row.result {
        Ok(judged) => (numbers(judged), ""),
        Err(reason) => (vec![String::new(); NUMBERS], reason.as_str()),
    };
    let name = crate::data::shown(row.name.as_os_str());
    let mut fields = vec![text(&row.image), text(&name), row.verdict().word().to_owned()];
    fields.extend(numbers);
    fields.extend([text(row.warning().unwrap_or_default()), text(skipped)]);
    fields
}

fn numbers(judged: &Judged) -> Vec<String> {
    // Debug has an exponent where the digits would not end.
    let real = |value: f64| format!("{value:?}");
    let optional = |value: Option<f64>| value.map(real).unwrap_or_default();
    let region = judged.largest.map(|own| [own.top, own.left, own.height, own.width, own.area].map(|value| value.to_string()));
    let mut fields = vec![
        real(judged.score),
        optional(judged.threshold),
        judged.size.0.to_string(),
        judged.size.1.to_string(),
        optional(judged.pixel_threshold),
        judged.anomalous_pixels.to_string(),
        judged.regions.to_string(),
    ];
    fields.extend(region.unwrap_or_default());
    fields.push(optional(judged.largest.map(|own| own.peak)));
    fields
}

/// A text that no spreadsheet takes for a formula: one that begins with a sign that would start one gets an apostrophe in front,
/// and so does one that begins with an apostrophe, so that the text itself is known again.
fn text(value: &str) -> String {
    let starts = value.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\'']);
    if starts { format!("'{value}") } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::row::examples;
    use super::*;

    fn read(bytes: &[u8]) -> Vec<Vec<String>> {
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn every_picture_has_a_row_with_every_column() {
        let table = csv(&examples()).unwrap();
        let rows = read(&table);
        assert_eq!(rows.len(), 6);
        assert_eq!(rows[0], COLUMNS);
        assert_eq!(
            rows[3].join("|"),
            "in/a <&> \"quoted\", 100%.png|a <&> \"quoted\", 100%|anomalous|1.500000001|1.5|8|12|0.125|7|1|3|1|2|4|7|0.5||"
        );
        assert_eq!(rows[2].join("|"), "in/broken.png|broken|skipped|||||||||||||||is empty (0 bytes)");
        assert_eq!(rows[4][16], "unlike the training images: its mean of red is 0.9");
        assert_eq!(COLUMNS.len(), 3 + NUMBERS + 2);
    }

    #[test]
    fn names_and_numbers_survive() {
        let scores = [0.1 + 0.2, 1e-300, f64::MAX, 5e-324, 1.0 / 3.0, -0.5, 1e22];
        let names = ["=1+1", "+x", "-x", "@x", "\tx", "'=x", "a,b", "a\"b", "two\nlines", "größe 日本", "a\rb", " = x"];
        let mut rows = Vec::new();
        for (number, name) in names.iter().enumerate() {
            let mut row = examples().remove(0);
            row.image = (*name).to_owned();
            row.result.as_mut().unwrap().score = scores[number % scores.len()];
            rows.push(row);
        }
        let found = read(&csv(&rows).unwrap());
        for (fields, row) in found.iter().skip(1).zip(&rows) {
            assert!(!fields[0].starts_with(['=', '+', '-', '@', '\t', '\r']), "{fields:?}");
            assert_eq!(fields[0].strip_prefix('\'').unwrap_or(&fields[0]), row.image);
            assert_eq!(fields[3].parse::<f64>().unwrap().to_bits(), row.result.as_ref().unwrap().score.to_bits());
        }
    }
}
