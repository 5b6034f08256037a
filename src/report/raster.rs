//! Pictures as PNG: the same bytes on every machine, because nothing of the machine is asked, not even for its fonts.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};
use std::sync::Arc;

/// The paper that a picture is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paper {
    /// White.
    Light,
    /// Nearly black.
    Dark,
}

/// Points for each unit of the SVG.
const SCALE: f32 = 2.0;
/// No side is longer, in points: longer pictures are drawn smaller.
const LONGEST: f32 = 12_000.0;

/// An SVG of ours as PNG.
///
/// # Errors
/// What is wrong with the SVG, if it is not ours.
pub fn png(svg: &str, paper: Paper) -> Result<Vec<u8>, String> {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    // It lacks some arrows.
    fonts.load_font_data(epaint_default_fonts::HACK_REGULAR.to_vec());
    let family = fonts.faces().next().and_then(|face| face.families.first().map(|(name, _)| name.clone()));
    let family = family.ok_or("the font has no name")?;
    fonts.set_sans_serif_family(&family);
    let options = Options { font_family: family, fontdb: Arc::new(fonts), ..Options::default() };
    let tree = Tree::from_str(&on_paper(svg, paper), &options).map_err(|error| error.to_string())?;
    let size = tree.size();
    let scale = SCALE.min(LONGEST / size.width().max(size.height()));
    let points = |side: f32| (side * scale).ceil().max(1.0) as u32;
    let mut pixels = Pixmap::new(points(size.width()), points(size.height())).ok_or("a picture without a size")?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| error.to_string())
}

/// The SVG with the rules for dark paper in force, or gone.
fn on_paper(svg: &str, paper: Paper) -> String {
    const DARK: &str = "@media(prefers-color-scheme:dark){";
    let mut out = String::with_capacity(svg.len());
    let mut rest = svg;
    while let Some((before, after)) = rest.split_once(DARK) {
        out.push_str(before);
        let end = end_of_block(after);
        if paper == Paper::Dark {
            out.push_str(&after[..end]);
        }
        rest = &after[end + 1..];
    }
    out + rest
}

/// Where the brace is that closes a block which has just been opened.
fn end_of_block(css: &str) -> usize {
    let mut depth = 1;
    for (place, letter) in css.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return place;
        }
    }
    css.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::timeline;
    use crate::trace::test_run::crash_loop;

    #[test]
    fn rules_for_dark_paper_are_in_force_or_gone() {
        let svg = "a{b}@media(prefers-color-scheme:dark){c{d}e{f}}\ng{h}";
        assert_eq!(on_paper(svg, Paper::Light), "a{b}\ng{h}");
        assert_eq!(on_paper(svg, Paper::Dark), "a{b}c{d}e{f}\ng{h}");
    }

    #[test]
    fn pictures_are_drawn_the_same_every_time() {
        let svg = String::from_utf8(timeline(&crash_loop(), "a run")).expect("text");
        let light = png(&svg, Paper::Light).expect("a picture");
        assert!(light.starts_with(b"\x89PNG"));
        assert_eq!(light, png(&svg, Paper::Light).expect("a picture"));
        assert_ne!(light, png(&svg, Paper::Dark).expect("a picture"));
    }
}
