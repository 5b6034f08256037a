//! Pictures as PNG, beside the SVG files that a command writes.

use clap::{Args, ValueEnum};
use podsim::report::raster::{self, Paper};

/// Whether pictures are written as PNG, too.
#[derive(Debug, Clone, Copy, Args)]
pub struct Png {
    /// Write each picture as PNG, too: on light paper, or on dark
    #[arg(long, value_enum, value_name = "PAPER", num_args = 0..=1, default_missing_value = "light")]
    png: Option<PaperName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PaperName {
    Light,
    Dark,
}

impl PaperName {
    const fn paper(self) -> Paper {
        match self {
            Self::Light => Paper::Light,
            Self::Dark => Paper::Dark,
        }
    }
}

impl Png {
    /// Whether PNG was asked for.
    pub const fn wanted(self) -> bool {
        self.png.is_some()
    }

    /// An SVG as PNG.
    pub fn draw(self, svg: &[u8]) -> Vec<u8> {
        let paper = self.png.map_or(Paper::Light, PaperName::paper);
        raster::png(&String::from_utf8_lossy(svg), paper).expect("our own pictures can be drawn")
    }

    /// Adds a PNG for each SVG among some files, if that was asked for.
    pub fn add_to(self, files: &mut Vec<(String, Vec<u8>)>) {
        if !self.wanted() {
            return;
        }
        let drawn: Vec<(String, Vec<u8>)> = files
            .iter()
            .filter_map(|(name, bytes)| Some((format!("{}.png", name.strip_suffix(".svg")?), self.draw(bytes))))
            .collect();
        files.extend(drawn);
    }
}
