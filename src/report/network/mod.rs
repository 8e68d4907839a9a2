//! A network drawn from its graph as SVG (Figure 5 of the paper).

mod layout;

use super::chart::{self, BLUE, COLOURS, ORANGE, WIDTH};
use super::html::escape;
use super::legend::{Entry, Legend, Sample};
use super::number::readable;
use crate::model::{Graph, Node, Role};
use layout::{Layout, Place};

const GREEN: &str = COLOURS[2];
const VIOLET: &str = COLOURS[3];
/// Where the first band begins; the input and the output are above it.
const TOP: f64 = 34.0;
/// Between the box and its text.
const INSET: f64 = 9.0;
/// Average width of a letter of 11 pixels.
const SMALL_LETTER: f64 = 6.1;
/// Length and half the width of an arrow head.
const HEAD: (f64, f64) = (7.0, 3.5);
/// Left edge of the chips with the dilations, from that of the box.
const CHIPS: f64 = 78.0;

/// The network as an SVG file: a box for every layer with its name, operation, output shape and parameters; the dilations of
/// stacked dilated convolutions; arrows for the connections. Layers of one resolution share a band.
pub fn network(title: &str, graph: &Graph) -> String {
    let layout = Layout::of(graph, TOP);
    let bands: String = layout.bands.iter().enumerate().map(|(at, band)| band_of(at, band)).collect();
    let arrows: String = (0..graph.nodes.len()).map(|place| arrows_to(graph, &layout, place)).collect();
    let boxes: String = graph.nodes.iter().zip(&layout.places).map(|(node, place)| layer(node, place)).collect();
    let bottom = layout.bands.last().map_or(TOP, |band| band.bottom);
    let legend = Legend::from(&entries(graph), bottom + 24.0);
    let content = [bands, terminals(graph, &layout), arrows, boxes, legend.svg].concat();
    chart::standalone(&chart::titled(title, &chart::svg(title, [WIDTH, 0.0, legend.next_baseline], &content)))
}

/// Colour of a role, and what the legend says of it.
fn look(role: &Role) -> (&'static str, &'static str) {
    match role {
        Role::Convolution(_) => (BLUE, "convolution"),
        Role::StackedDilated(_) => (VIOLET, "parallel convolutions (SDC)"),
        Role::ConvexCombination => (ORANGE, "convex combination of skip s and u (CCM): β ⊙ s + (1 − β) ⊙ u"),
        Role::Linear => (GREEN, "fully connected"),
        Role::MaxPool | Role::Upsample => ("currentColor", "change of resolution"),
    }
}

fn entries(graph: &Graph) -> Vec<Entry<'static>> {
    let mut entries: Vec<Entry<'static>> = Vec::new();
    for node in &graph.nodes {
        let (colour, name) = look(&node.role);
        if entries.iter().all(|entry| entry.name != name) {
            entries.push(Entry { name, colour, opacity: 0.6, sample: Sample::Area });
        }
    }
    entries
}

/// Every other band has a faint background; the label is between the columns, or at the right.
fn band_of(at: usize, band: &layout::Band) -> String {
    let (height, opacity) = (band.bottom - band.top, if at.is_multiple_of(2) { 0.05 } else { 0.0 });
    let back = format!(
        r#"<rect x="0" y="{:.1}" width="{WIDTH}" height="{height:.1}" fill="currentColor" fill-opacity="{opacity}"/>"#,
        band.top
    );
    let Some((height, width)) = band.extent else { return back };
    let (x, anchor) = if band.is_middle { (WIDTH - INSET, "end") } else { (0.5 * (WIDTH - INSET), "middle") };
    let y = band.top + 18.0;
    back + &format!(r#"<text x="{x}" y="{y:.1}" text-anchor="{anchor}" font-size="11" opacity=".75">{height} × {width}</text>"#)
}

/// The input above its layer and the output above the last, with arrows.
fn terminals(graph: &Graph, layout: &Layout) -> String {
    let label = |place: &Place, words: &str| {
        let (x, y) = (place.centre(), TOP - 14.0);
        format!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="middle" font-weight="600">{words}</text>"#)
    };
    let mut svg = String::new();
    for (node, place) in graph.nodes.iter().zip(&layout.places).filter(|(node, _)| node.inputs.contains(&None)) {
        svg += &label(place, &format!("input x\u{302}: {}", channels_of_input(node)));
        svg += &arrow(&[(place.centre(), TOP - 8.0), (place.centre(), place.y)]);
    }
    // In a single column the output is below.
    match layout.places.last() {
        Some(place) if layout.bands.len() > 1 => {
            svg + &label(place, "output f(x\u{302})") + &arrow(&[(place.centre(), place.y), (place.centre(), TOP - 9.0)])
        }
        _ => svg,
    }
}

/// e.g. `256 × 256 × 3`, from the operation's own words, e.g. `conv3 3→64, ELU`.
fn channels_of_input(node: &Node) -> String {
    let channels = node.layer.kind.split_once('→').and_then(|(head, _)| head.split(' ').next_back()).unwrap_or_default();
    let dims = node.layer.output.dims();
    let extent: String = dims[1..dims.len() - 1].iter().map(|side| format!("{side} × ")).collect();
    format!("{extent}{channels}")
}

/// The connections of a layer from those that it reads.
fn arrows_to(graph: &Graph, layout: &Layout, place: usize) -> String {
    let to = &layout.places[place];
    let from = graph.nodes[place].inputs.iter().flatten();
    from.map(|&source| connection(&layout.places[source], to, source + 1 == place)).collect()
}

/// Down or up within a column; around a corner between columns; from side to side for a skip.
fn connection(from: &Place, to: &Place, is_next: bool) -> String {
    let is_skip = !is_next && from.right() < to.x;
    if is_skip {
        let bend = 0.5 * (from.right() + to.x);
        let points = [(from.right(), from.middle()), (bend, from.middle()), (bend, to.middle()), (to.x, to.middle())];
        let (x, y) = (bend, from.middle().min(to.middle()) - 6.0);
        return arrow(&points) + &format!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="middle" font-size="11">skip s</text>"#);
    }
    if to.y > from.y {
        let half = 0.5 * (from.bottom() + to.y).max(2.0 * to.y - 18.0);
        return arrow(&[(from.centre(), from.bottom()), (from.centre(), half), (to.centre(), half), (to.centre(), to.y)]);
    }
    if from.centre() == to.centre() {
        return arrow(&[(from.centre(), from.y), (to.centre(), to.bottom())]);
    }
    arrow(&[(from.right(), from.middle()), (to.centre(), from.middle()), (to.centre(), to.bottom())])
}

/// A line through these points with a head at its end.
fn arrow(points: &[(f64, f64)]) -> String {
    let [.., before, (x, y)] = *points else { return String::new() };
    let (length, half) = HEAD;
    let distance = (x - before.0).hypot(y - before.1).max(1e-9);
    let (dx, dy) = ((x - before.0) / distance, (y - before.1) / distance);
    let base = (x - length * dx, y - length * dy);
    let text = |points: &[(f64, f64)]| points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ");
    let line = text(&[&points[..points.len() - 1], &[base]].concat());
    let head = text(&[(x, y), (base.0 - half * dy, base.1 + half * dx), (base.0 + half * dy, base.1 - half * dx)]);
    format!(
        r#"<polyline points="{line}" fill="none" stroke="currentColor" stroke-opacity=".65" stroke-width="1.4"/><polygon points="{head}" fill="currentColor" fill-opacity=".65"/>"#
    )
}

/// The box of a layer with its words.
fn layer(node: &Node, place: &Place) -> String {
    let (colour, _) = look(&node.role);
    let Place { x, y, width, height } = *place;
    let frame = |x: f64, y: f64, width: f64, height: f64, radius: f64| {
        format!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="{radius}" fill="{colour}" fill-opacity=".13" stroke="{colour}" stroke-width="1.3"/>"#
        )
    };
    let mut svg = frame(x, y, width, height, if height < 30.0 { 0.5 * height } else { 5.0 });
    if let Role::MaxPool | Role::Upsample = node.role {
        let words = format!("{} → {}", node.layer.kind, sides(node));
        return svg + &text((place.centre(), y + 16.0), r#"text-anchor="middle" font-size="11.5""#, &words);
    }
    svg += &format!(
        r#"<text x="{:.1}" y="{:.1}"><tspan font-weight="700">{}</tspan><tspan dx="8">{}</tspan></text>"#,
        x + INSET,
        y + 17.0,
        escape(&node.layer.name),
        escape(&operation(node))
    );
    let baseline = y + height - 9.0;
    let (shape, number) = (sides(node), readable(node.layer.parameters as f64, 8));
    let has_room = SMALL_LETTER * (shape.chars().count() + number.chars().count() + 13) as f64 <= width - 2.0 * INSET;
    svg += &text((x + INSET, baseline), r#"font-size="11" opacity=".85""#, &shape);
    let count = if has_room { format!("{number} parameters") } else { number };
    svg += &text((x + width - INSET, baseline), r#"text-anchor="end" font-size="11" opacity=".85""#, &count);
    let Role::StackedDilated(dilations) = &node.role else { return svg };
    svg += &text((x + INSET, y + 37.0), r#"font-size="11""#, "dilation");
    let pitch = (width - CHIPS - INSET + 5.0) / dilations.len() as f64;
    for (at, dilation) in dilations.iter().enumerate() {
        let left = x + CHIPS + pitch * at as f64;
        svg += &frame(left, y + 25.0, pitch - 5.0, 17.0, 3.0);
        svg += &text((left + 0.5 * (pitch - 5.0), y + 37.5), r#"text-anchor="middle" font-size="11""#, &dilation.to_string());
    }
    svg
}

/// What a layer does; the dilations have their own line.
fn operation(node: &Node) -> String {
    let kind = &node.layer.kind;
    match (kind.split_once(", dilations"), kind.rsplit_once("], ")) {
        (Some((head, _)), Some((_, activation))) => format!("{head}, {activation}"),
        _ => kind.clone(),
    }
}

/// The shape of the result of one image.
fn sides(node: &Node) -> String {
    node.layer.output.dims()[1..].iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ")
}

fn text((x, y): (f64, f64), attributes: &str, words: &str) -> String {
    format!(r#"<text x="{x:.1}" y="{y:.1}" {attributes}>{}</text>"#, escape(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Architecture, Autoencoder};
    use crate::shape::Shape;

    fn graph(model: u8, dilations: &[usize]) -> Graph {
        let own = Autoencoder { model, width: 8, dilations: dilations.to_vec() };
        Graph::of(&Architecture::Autoencoder(own), Shape::new(&[1, 64, 128, 3]).unwrap()).unwrap()
    }

    #[test]
    fn every_layer_of_the_plan_has_a_box_with_its_name_and_shape() {
        for model in [1, 2] {
            let graph = graph(model, &[1, 2, 4]);
            let svg = network("title", &graph);
            for layer in &graph.plan().layers {
                let name = format!(r#"font-weight="700">{}</tspan>"#, layer.name);
                assert!(layer.name.is_empty() || svg.matches(&name).count() == 1, "{}", layer.name);
                let shape = layer.output.dims()[1..].iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ");
                assert!(svg.contains(&shape), "{shape}");
            }
            assert!(chart::has_only_numbers(&svg.replace("infer", "")) && svg.contains("input x\u{302}: 64 × 128 × 3"));
        }
    }

    #[test]
    fn the_drawing_follows_the_architecture() {
        let skips = |model: u8| network("", &graph(model, &[1])).matches(">skip s</text>").count();
        assert_eq!((skips(1), skips(2)), (0, 3));
        let chips = |dilations: &[usize]| network("", &graph(2, dilations)).matches(r#"rx="3""#).count();
        assert_eq!((chips(&[1, 2, 4]), chips(&[1, 2, 4, 8, 16])), (4 * 3, 4 * 5));
        assert!(network("", &graph(2, &[1, 77])).contains(">77</text>"));
    }

    #[test]
    fn boxes_do_not_overlap_and_skips_are_straight() {
        let graph = graph(2, &[1, 2]);
        let Layout { places, bands } = Layout::of(&graph, TOP);
        for (at, a) in places.iter().enumerate() {
            for b in &places[at + 1..] {
                let is_apart = a.right() <= b.x || b.right() <= a.x || a.bottom() < b.y || b.bottom() < a.y;
                assert!(is_apart, "{a:?} {b:?}");
            }
        }
        for (node, place) in graph.nodes.iter().zip(&places).filter(|(node, _)| node.role == Role::ConvexCombination) {
            assert_eq!(places[node.inputs[0].unwrap()].middle(), place.middle());
        }
        let lowest = bands.iter().find(|band| band.is_middle).unwrap();
        let last = places.iter().rposition(|place| place.y > lowest.top).unwrap();
        assert!(places[last].right() < places[last + 1].centre(), "the line up the right column passes the boxes in the middle");
        assert!(bands.len() == 4 && bands.windows(2).all(|pair| pair[0].bottom <= pair[1].top));
    }

    #[test]
    fn the_word_parameters_is_left_out_where_it_has_no_room() {
        let words = |width: usize| {
            let own = Architecture::autoencoder(2, width).unwrap();
            network("", &Graph::of(&own, Shape::new(&[1, 256, 256, 3]).unwrap()).unwrap()).matches("parameters</text>").count()
        };
        assert!(words(64) == 24 && words(4096) < 24, "{} {}", words(64), words(4096));
    }

    #[test]
    fn a_fully_connected_network_is_one_column() {
        let graph = Graph::of(&Architecture::mlp(3, &[8, 8]).unwrap(), Shape::new(&[1, 3]).unwrap()).unwrap();
        let svg = network("MLP", &graph);
        assert!(svg.matches("font-weight=\"700\">").count() > graph.nodes.len() && !svg.contains("skip"));
    }
}
