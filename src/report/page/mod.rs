//! `report.html`: one file, no network: what was run, what held, a timeline to zoom into, events to search, and the
//! chain of causes behind whatever is clicked.
//!
//! The page holds the story as compact JSON; `report.js` draws it, only as much of it as is seen.

mod data;
mod traffic;

use super::artifacts::RunFacts;
use super::axis::label;
use super::palette::Tone;
use super::statistics::quantile;
use super::story::{Milestones, Story};
use crate::engine::SimTime;
use crate::trace::TraceRecord;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::fmt::Write;
use strum::VariantArray;

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// The page of a run.
pub fn html(record: &TraceRecord, story: &Story, facts: &RunFacts) -> Vec<u8> {
    let data = data::json(record, story).replace("</", "<\\/");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (facts.title) " · podsim" }
                style { (PreEscaped(STYLE)) (PreEscaped(tones())) }
            }
            body {
                (head(story, facts))
                main {
                    (checks(facts))
                    section {
                        h2 { "Timeline" }
                        div .tools {
                            input #filter type="search" placeholder="filter by pod, status or node" aria-label="filter pods";
                            span .zoom {
                                button #closer title="closer (+)" { "+" }
                                button #wider title="wider (−)" { "−" }
                                button #all title="all of it (0)" { "all" }
                            }
                            span #shown {}
                        }
                        p .hint {
                            "Wheel with Ctrl, two fingers, or " kbd { "+" } " " kbd { "−" } " zoom; drag, or " kbd { "←" } " " kbd { "→" }
                            " move; a click on a bar tells its causes, one on a node opens or closes it."
                        }
                        (legend())
                        div #timeline { canvas {} div #rows {} }
                        div #tip hidden {}
                    }
                    section #why hidden { h2 { "Why" } div #steps {} }
                    (latencies(story))
                    (traffic::section(story))
                    section {
                        h2 { "Events" }
                        div .tools {
                            input #search type="search" placeholder="search reason, object, message" aria-label="search events";
                            label { input #warnings type="checkbox"; " warnings only" }
                            span #found {}
                        }
                        div .scroll { table #events { thead { tr { th { "at" } th { "type" } th { "reason" } th { "object" } th { "message" } } } tbody {} } }
                    }
                    section {
                        h2 { "Pods" }
                        p #listed .hint {}
                        div .scroll { table #pods { thead { tr {
                            th { "pod" } th { "node" } th { "status" } th { "restarts" }
                            @for stage in Milestones::NAMES { th { (stage) } }
                        } } tbody {} } }
                    }
                    (provenance(facts))
                }
                script #data type="application/json" { (PreEscaped(data)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string().into_bytes()
}

fn head(story: &Story, facts: &RunFacts) -> Markup {
    let restarts: u32 = story.pods.iter().map(|pod| pod.restarts).sum();
    let warnings = story.pods.iter().flat_map(|pod| &pod.events).filter(|said| said.warning).count();
    let ready = story.pods.iter().filter(|pod| pod.ready.last().is_some_and(|span| span.to == story.end)).count();
    let broken = facts.checks.iter().filter(|check| !check.held).count();
    let verdict = match (facts.checks.len(), broken) {
        (0, _) => "no expectations".to_owned(),
        (all, 0) => format!("{all} of {all} expectations held"),
        (all, broken) => format!("{broken} of {all} expectations did not hold"),
    };
    html! {
        header .bad[broken > 0] {
            h1 { (facts.title) }
            @if !facts.description.is_empty() { p { (facts.description) } }
            ul {
                li { b { (verdict) } }
                li { b { (story.pods.len()) } " pods on " b { (story.nodes.len()) } " nodes" }
                li { b { (ready) } " ready at the end" }
                li { b { (restarts) } (if restarts == 1 { " restart" } else { " restarts" }) }
                li { b { (warnings) } (if warnings == 1 { " warning" } else { " warnings" }) }
                li { b { (label(story.end)) } " of virtual time" }
            }
        }
    }
}

fn checks(facts: &RunFacts) -> Markup {
    html! {
        @if !facts.checks.is_empty() {
            section {
                h2 { "Expectations" }
                table .checks {
                    @for check in &facts.checks {
                        tr .broken[!check.held] {
                            td { (if check.held { "held" } else { "did not hold" }) }
                            td { code { (check.what) } }
                            td { (check.note) }
                        }
                    }
                }
            }
        }
    }
}

/// What the marks below a container's bar say.
const MARKS: [(&str, &str); 5] = [
    ("◇", "readiness probe failed"),
    ("▲", "liveness or startup probe failed"),
    ("■", "killed for want of memory"),
    ("✕", "ended with an error"),
    ("┆", "the scenario acts"),
];

fn legend() -> Markup {
    html! {
        ul .legend {
            @for tone in Tone::VARIANTS { li { i .(tone.class()) {} (tone.label()) } }
            @for (mark, said) in MARKS { li { b { (mark) } (said) } }
        }
    }
}

/// From creation to each stage: how many pods got there, and quantiles.
fn latencies(story: &Story) -> Markup {
    let stages = &Milestones::NAMES[1..7];
    let waits = |place: usize| {
        let mut waits: Vec<f64> = story
            .pods
            .iter()
            .filter_map(|pod| {
                let all = pod.milestones.all();
                Some(all[place + 1].1?.since(all[0].1?).as_secs_f64())
            })
            .collect();
        waits.sort_by(f64::total_cmp);
        waits
    };
    let cell =
        |seconds: f64| label(SimTime::ZERO + crate::engine::SimDuration::from_nanos_f64((seconds * 1e3).round() * 1e6));
    html! {
        section {
            h2 { "From creation to each stage" }
            table {
                thead { tr { th { "stage" } th { "pods" } th { "median" } th { "p90" } th { "p99" } th { "slowest" } } }
                @for (place, stage) in stages.iter().enumerate() {
                    @let waits = waits(place);
                    tr {
                        td { (stage) }
                        td { (waits.len()) }
                        @for share in [0.5, 0.9, 0.99, 1.0] {
                            td { (quantile(&waits, share).map_or_else(|| "–".to_owned(), cell)) }
                        }
                    }
                }
            }
        }
    }
}

fn provenance(facts: &RunFacts) -> Markup {
    html! {
        section {
            h2 { "How it was made" }
            table .facts {
                tr { td { "podsim" } td { (env!("CARGO_PKG_VERSION")) ", Kubernetes v1.36" } }
                tr { td { "seed" } td { (facts.seed) } }
                tr { td { "digest" } td { code { (facts.digest) } } }
                @if !facts.command.is_empty() { tr { td { "again" } td { code { (facts.command) } } } }
                @for input in &facts.inputs { tr { td { "input" } td { (input.path) " " code { (input.hash) } } } }
                @for note in &facts.notes { tr { td { "note" } td { (note) } } }
            }
        }
    }
}

/// The colours as variables, light and dark.
fn tones() -> String {
    let rules = |place: usize| {
        Tone::VARIANTS.iter().fold(String::new(), |mut rules, tone| {
            write!(rules, "--{}:{};", tone.class(), tone.colours()[place]).expect("memory takes everything");
            rules
        })
    };
    let classes = Tone::VARIANTS.iter().fold(String::new(), |mut rules, tone| {
        write!(rules, "i.{0}{{background:var(--{0})}}", tone.class()).expect("memory takes everything");
        rules
    });
    format!(":root{{{}}}@media(prefers-color-scheme:dark){{:root{{{}}}}}{classes}", rules(0), rules(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::TraceHash;
    use crate::trace::test_run::crash_loop;

    #[test]
    fn the_page_needs_no_network_and_cannot_be_broken_into() {
        let record = crash_loop();
        let digest = TraceHash::of(b"a run");
        let mut facts = RunFacts::new("</script><b>&".to_owned(), 7, digest);
        facts.notes.push("<i>note</i>".to_owned());
        let page = String::from_utf8(html(&record, &Story::of(&record), &facts)).expect("text");
        for forbidden in ["http://", "https://", "src=", "<i>note", "</script><b>"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert_eq!(page.matches("</script>").count(), 2);
    }
}
