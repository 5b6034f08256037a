//! What colours mean, once for all pictures: tones that people with any colour vision tell apart, on light and dark
//! paper.
//!
//! The hues are those of Okabe and Ito's palette; waiting is pale, trouble is warm, what works is cool. Whatever is
//! told by a colour is also told by a pattern, a shape or a text.

use super::story::Look;
use std::fmt::Write;

/// What a coloured bar says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::VariantArray)]
pub enum Tone {
    /// A pod is pending.
    Pending,
    /// A container waits for its turn.
    Waiting,
    /// An image is pulled.
    Pulling,
    /// It runs and is not ready.
    Running,
    /// It runs and is ready.
    Ready,
    /// It was told to stop and still runs.
    Stopping,
    /// Its kubelet lets it wait before the next try.
    BackOff,
    /// It ended well.
    Done,
    /// It ended badly.
    Failed,
    /// Nobody knows.
    Unknown,
}

impl Tone {
    /// The class of its shapes.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Waiting => "waiting",
            Self::Pulling => "pulling",
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
            Self::BackOff => "backoff",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// What the legend calls it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Waiting => "waiting",
            Self::Pulling => "pulling image",
            Self::Running => "running",
            Self::Ready => "running and ready",
            Self::Stopping => "stopping",
            Self::BackOff => "back-off",
            Self::Done => "succeeded",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// Its colour on light paper and on dark.
    pub const fn colours(self) -> [&'static str; 2] {
        match self {
            Self::Pending => ["#f0dfa8", "#6b5c22"],
            Self::Waiting => ["#e3e1da", "#45443f"],
            Self::Pulling => ["#cbb8e8", "#5f4a8c"],
            Self::Running => ["#8ec9ee", "#2f6f9c"],
            Self::Ready => ["#1f9e77", "#25a27c"],
            Self::Stopping => ["#d98ab5", "#a8557f"],
            Self::BackOff => ["#f6cdb4", "#6e3f24"],
            Self::Done => ["#9aa7b1", "#66727c"],
            Self::Failed => ["#cf4a0a", "#e0601f"],
            Self::Unknown => ["#b9b4ae", "#5c5853"],
        }
    }

    /// The tone of a phase; `ready` tells whether the pod was.
    pub fn of_phase(phase: &str, ready: bool) -> Self {
        match phase {
            "Pending" => Self::Pending,
            "Running" if ready => Self::Ready,
            "Running" => Self::Running,
            "Succeeded" => Self::Done,
            "Failed" => Self::Failed,
            _ => Self::Unknown,
        }
    }

    /// The tone of what a container does; `ready` tells whether it counts.
    pub fn of_look(look: Look, ready: bool) -> Self {
        match look {
            Look::Waiting(reason) if is_trouble(reason.as_str()) => Self::BackOff,
            Look::Waiting(_) => Self::Waiting,
            Look::Pulling => Self::Pulling,
            Look::Running { .. } if ready => Self::Ready,
            Look::Running { .. } => Self::Running,
            Look::Stopping { .. } => Self::Stopping,
            Look::Ended(end) if end.exit_code == 0 => Self::Done,
            Look::Ended(_) => Self::Failed,
        }
    }
}

/// Reasons to wait that are not the normal way to a start.
fn is_trouble(reason: &str) -> bool {
    !matches!(reason, "" | "ContainerCreating" | "PodInitializing")
}

/// The style that all pictures share.
pub fn style() -> String {
    let mut css = String::from(
        "text{font-family:system-ui,-apple-system,'Segoe UI','Liberation Sans','DejaVu Sans',sans-serif;font-size:11px;\
         fill:#24292f}\n\
         .paper{fill:#fff}.grid{stroke:#e7e9ec}.axis{stroke:#aeb5bd}.h1{font-size:18px;font-weight:600}\
         .h2{font-size:13px;font-weight:600}.sub{fill:#5f6a75}.name{font-weight:600}.end{text-anchor:end}\
         .mid{text-anchor:middle}.in{fill:#fff;font-size:9px;text-anchor:middle}.on{fill:#14304a}.small{font-size:10px}\
         .thread{stroke:#d4d8dd}.act{stroke:#5f6a75;stroke-dasharray:2 3}.band{fill:#f6f7f9}\
         .hatch{fill:url(#hatch)}.pulls{fill:url(#pulls)}\
         .liveness,.startup,.oom{fill:#a3250b}.readiness{fill:#fff;stroke:#a3250b;stroke-width:1.4}\
         .error{stroke:#a3250b;stroke-width:1.6}.cordon{fill:url(#hatch)}.fault{fill:#24292f}\n",
    );
    for tone in <Tone as strum::VariantArray>::VARIANTS {
        writeln!(css, ".{}{{fill:{}}}", tone.class(), tone.colours()[0]).expect("memory takes everything");
    }
    css.push_str(
        "@media(prefers-color-scheme:dark){text{fill:#e3e7eb}.in,.on{fill:#fff}.paper{fill:#15181c}.grid{stroke:#272c32}\
         .axis{stroke:#59626c}.sub{fill:#98a2ad}.thread{stroke:#39414a}.act{stroke:#98a2ad}.band{fill:#1b1f24}\
         .liveness,.startup,.oom{fill:#ff8a5c}.readiness{fill:#15181c;stroke:#ff8a5c}.error{stroke:#ff8a5c}.fault{fill:#e3e7eb}\n",
    );
    for tone in <Tone as strum::VariantArray>::VARIANTS {
        writeln!(css, ".{}{{fill:{}}}", tone.class(), tone.colours()[1]).expect("memory takes everything");
    }
    css.push_str("}\n");
    css
}

/// The patterns that all pictures share.
pub const PATTERNS: &str = "<pattern id=\"hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" \
     patternTransform=\"rotate(45)\"><rect width=\"1.6\" height=\"5\" fill=\"#b4410d\" fill-opacity=\".38\"/></pattern>\n\
     <pattern id=\"pulls\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">\
     <path d=\"M0 0L3 3L0 6\" fill=\"none\" stroke=\"#5b3fa0\" stroke-opacity=\".6\"/></pattern>\n";
