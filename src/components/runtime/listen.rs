//! What listeners answer, in the protocol that they speak.

use super::{Health, ListenAnswer, ListenBehavior, ListenKind, ListenStep};
use crate::api::{Name, Text, names};
use crate::components::net::{Ask, HttpRequest, NetAnswer};
use crate::engine::SimDuration;

names! {
    SERVING = "SERVING";
    NOT_SERVING = "NOT_SERVING";
    UNKNOWN = "UNKNOWN";
    NOT_FOUND = "NotFound";
    UNIMPLEMENTED = "Unimplemented";
    INTERNAL = "Internal";
}

impl ListenBehavior {
    /// What it does at an age of the process.
    pub(super) fn at(&self, age: SimDuration) -> ListenStep {
        let reached = self.timeline.iter().rfind(|step| step.from <= age);
        match (reached, self.timeline.is_empty()) {
            (Some(step), _) => step.clone(),
            (None, true) => ListenStep { answer: self.kind.usual_answer(), ..ListenStep::default() },
            (None, false) => ListenStep { answer: ListenAnswer::Refused, ..ListenStep::default() },
        }
    }

    /// For how long from an age it goes on doing the same.
    pub(super) fn stands_for(&self, age: SimDuration) -> SimDuration {
        let next = self.timeline.iter().map(|step| step.from).filter(|from| *from > age).min();
        next.map_or(SimDuration::MAX, |from| from.saturating_sub(age))
    }

    /// Whether it is meant for a request.
    pub(super) fn serves(&self, ask: &Ask) -> bool {
        match ask {
            Ask::Connect => true,
            Ask::Http(request) => {
                let has_header = |wanted: &Text| {
                    let (name, value) = wanted.split_once(':').unwrap_or((wanted, ""));
                    let same = |(n, v): &(Name, Name)| n.eq_ignore_ascii_case(name.trim()) && *v == value.trim();
                    request.headers.iter().any(same)
                };
                self.path.as_ref().is_none_or(|path| **path == *request.path)
                    && self.host.as_ref().is_none_or(|host| **host == *request.host)
                    && self.header.as_ref().is_none_or(has_header)
            }
            Ask::Health { service } => self.service.as_ref().is_none_or(|wanted| **wanted == **service),
        }
    }
}

impl ListenKind {
    /// What a healthy server of the kind does.
    pub(super) fn usual_answer(self) -> ListenAnswer {
        match self {
            Self::Http | Self::Https => ListenAnswer::default(),
            Self::Tcp => ListenAnswer::Accept,
            Self::Grpc => ListenAnswer::Health(Health::Serving),
        }
    }

    /// Whether it understands a request.
    pub(super) const fn speaks(self, ask: &Ask) -> bool {
        match (self, ask) {
            (_, Ask::Connect) | (Self::Grpc, Ask::Health { .. }) => true,
            (Self::Http, Ask::Http(request)) => !request.tls,
            (Self::Https, Ask::Http(request)) => request.tls,
            (Self::Tcp | Self::Grpc, Ask::Http(_)) | (Self::Http | Self::Https | Self::Tcp, Ask::Health { .. }) => {
                false
            }
        }
    }

    /// What a request without an entry gets.
    pub(super) fn mismatch(self, ask: &Ask) -> Option<NetAnswer> {
        match (self, ask) {
            (Self::Http | Self::Https, Ask::Http(_)) => {
                let page = ListenAnswer::Status { code: 404, body: Text::default(), location: Text::default() };
                self.answer(ask, &page)
            }
            (Self::Grpc, Ask::Health { .. }) => self.answer(ask, &ListenAnswer::Health(Health::ServiceUnknown)),
            _ => self.answer(ask, &self.usual_answer()),
        }
    }

    /// What comes back over the wire; `None` for nothing.
    pub(super) fn answer(self, ask: &Ask, answer: &ListenAnswer) -> Option<NetAnswer> {
        let tls = matches!(ask, Ask::Http(HttpRequest { tls: true, .. }));
        match (self, ask) {
            (_, Ask::Connect) => return Some(NetAnswer::Connected),
            (Self::Http, Ask::Http(_)) if tls => return Some(NetAnswer::NoTls),
            (Self::Https, Ask::Http(_)) if !tls => {
                let body = "Client sent an HTTP request to an HTTPS server.\n".into();
                return Some(NetAnswer::Http { status: 400, location: Text::default(), body });
            }
            (Self::Http | Self::Https | Self::Tcp, Ask::Health { .. }) => {
                return Some(NetAnswer::Malformed(Text::default()));
            }
            // The first frame of HTTP/2, read as a line.
            (Self::Grpc, Ask::Http(_)) => {
                let frame = r"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00@\x00";
                return Some(NetAnswer::Malformed(frame.into()));
            }
            (Self::Http | Self::Https | Self::Tcp, Ask::Http(_)) | (Self::Grpc, Ask::Health { .. }) => {}
        }
        match answer {
            ListenAnswer::Refused => Some(NetAnswer::Refused),
            ListenAnswer::Accept | ListenAnswer::Hang => None,
            ListenAnswer::Reset => Some(NetAnswer::Reset { from_port: 0 }),
            ListenAnswer::Close => Some(NetAnswer::Closed),
            ListenAnswer::Garbage => Some(NetAnswer::Malformed("SSH-2.0-scripted".into())),
            ListenAnswer::Status { code, body, location } => {
                Some(NetAnswer::Http { status: *code, location: location.clone(), body: body.clone() })
            }
            ListenAnswer::Health(health) => Some(health.answer()),
        }
    }
}

impl Health {
    fn answer(self) -> NetAnswer {
        let error = |code, message: &str| NetAnswer::GrpcError { code, message: message.into() };
        match self {
            Self::Serving => NetAnswer::Health(*SERVING),
            Self::NotServing => NetAnswer::Health(*NOT_SERVING),
            Self::Unknown => NetAnswer::Health(*UNKNOWN),
            Self::ServiceUnknown => error(*NOT_FOUND, "unknown service"),
            Self::Unimplemented => error(*UNIMPLEMENTED, "unknown service grpc.health.v1.Health"),
            Self::Error => error(*INTERNAL, "scripted error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(path: &str, tls: bool) -> Ask {
        let headers = vec![(Name::new("X-Token"), Name::new("abc"))];
        Ask::Http(HttpRequest { path: path.into(), host: "web.test".into(), tls, headers })
    }

    #[test]
    fn an_entry_serves_what_it_says() {
        let entry = |path: Option<&str>, host: Option<&str>, header: Option<&str>| ListenBehavior {
            path: path.map(Text::from),
            host: host.map(Text::from),
            header: header.map(Text::from),
            ..ListenBehavior::default()
        };
        for (entry, serves) in [
            (entry(None, None, None), true),
            (entry(Some("/a?b"), None, None), true),
            (entry(Some("/a"), None, None), false),
            (entry(None, Some("web.test"), None), true),
            (entry(None, Some("other"), None), false),
            (entry(None, None, Some("x-token: abc")), true),
            (entry(None, None, Some("X-Token: abd")), false),
        ] {
            assert_eq!(entry.serves(&http("/a?b", false)), serves, "{entry:?}");
        }
    }

    #[test]
    fn servers_answer_in_the_protocol_that_they_speak() {
        let health = Ask::Health { service: Name::default() };
        let page = |status| {
            let body = if status == 400 { "Client sent an HTTP request to an HTTPS server.\n" } else { "" };
            Some(NetAnswer::Http { status, location: Text::default(), body: body.into() })
        };
        for (kind, ask, answer) in [
            (ListenKind::Http, http("/", false), page(200)),
            (ListenKind::Http, http("/", true), Some(NetAnswer::NoTls)),
            (ListenKind::Https, http("/", true), page(200)),
            (ListenKind::Https, http("/", false), page(400)),
            (ListenKind::Tcp, http("/", false), None),
            (ListenKind::Http, health.clone(), Some(NetAnswer::Malformed(Text::default()))),
            (ListenKind::Grpc, health, Some(NetAnswer::Health(*SERVING))),
            (ListenKind::Http, Ask::Connect, Some(NetAnswer::Connected)),
        ] {
            assert_eq!(kind.answer(&ask, &kind.usual_answer()), answer, "{kind:?} asked {ask:?}");
        }
    }

    #[test]
    fn before_its_first_entry_a_listener_is_closed() {
        let step = |secs, answer| ListenStep { from: SimDuration::from_secs(secs), answer, duration: None };
        let late = ListenBehavior {
            timeline: vec![step(4, ListenAnswer::Accept), step(12, ListenAnswer::Refused)],
            ..ListenBehavior::default()
        };
        for (age, answer, stands) in [
            (0, ListenAnswer::Refused, SimDuration::from_secs(4)),
            (5, ListenAnswer::Accept, SimDuration::from_secs(7)),
            (12, ListenAnswer::Refused, SimDuration::MAX),
        ] {
            let age = SimDuration::from_secs(age);
            assert_eq!((late.at(age).answer, late.stands_for(age)), (answer, stands), "at {age}");
        }
        assert_eq!(ListenBehavior::default().at(SimDuration::ZERO).answer, ListenAnswer::default());
    }
}
