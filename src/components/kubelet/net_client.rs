//! The kubelet's side of a request over the network: what a probe or a hook asks, and what is made of the answers.
//!
//! Follows `pkg/probe/http`, `pkg/probe/tcp`, `pkg/probe/grpc` and `pkg/kubelet/lifecycle/handlers.go` of Kubernetes
//! 1.36, and the words of Go's `net/http` and of grpc-go, which reach people through events.

use super::container_start::go_duration;
use super::handler::HandlerOutcome;
use crate::api::{Container, Handler, Name, Port, Text};
use crate::components::net::{Ask, HttpRequest, NetAnswer, NetReply, NetRequest};
use crate::components::url::Url;
use crate::engine::{SimDuration, SimTime, StreamKey};
use std::net::Ipv4Addr;

/// Where the node looks names up. It knows nothing of the cluster's Services.
const RESOLVER: &str = "10.0.0.2:53";
/// `RedirectChecker`: so many requests at most.
const MOST_REQUESTS: u32 = 10;
/// What is read of a body.
const BODY_LIMIT: usize = 10 << 10;
/// Between two dials of grpc-go: a second at first, then 1.6 times as long each time.
const REDIAL: SimDuration = SimDuration::from_secs(1);

/// Who asks: the two differ in headers, patience, and what counts as success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// A probe with a timeout.
    Probe { timeout: SimDuration },
    /// A hook, which waits for as long as it takes.
    Hook,
}

/// A request that a probe or a hook is at.
#[derive(Debug, Clone)]
pub(super) struct NetHandler {
    asker: Asker,
    deadline: SimTime,
    stream: StreamKey,
    /// Whether answers come from the pod itself, so that they stand while it does not change.
    own_pod: bool,
    stage: Stage,
}

#[derive(Debug, Clone)]
enum Stage {
    Http { page: Page, first_host: String, requests: u32 },
    Tcp { target: String },
    Health { address: Ipv4Addr, port: u16, service: Name, redial: SimDuration },
}

/// A page that is asked for.
#[derive(Debug, Clone)]
struct Page {
    url: Url,
    /// The address as errors show it.
    shown: String,
    /// The Host header, if it is not the URL's host.
    host: Option<String>,
    headers: Vec<(Name, Name)>,
}

/// What comes next.
#[derive(Debug, Clone)]
pub(super) enum Next {
    /// A request is sent.
    Ask(Box<NetRequest>),
    /// Nothing until then.
    Wait(SimTime),
    /// It is over.
    Done(HandlerOutcome),
}

impl NetHandler {
    /// Begins what a handler asks for; a handler that cannot be run is over at once.
    pub(super) fn begin(
        now: SimTime,
        (asker, stream): (Asker, StreamKey),
        handler: &Handler,
        container: &Container,
        pod_ip: Option<Ipv4Addr>,
    ) -> (Option<Self>, Next) {
        match Self::prepare(now, (asker, stream), handler, container, pod_ip) {
            Ok(mut this) => {
                let next = this.send();
                (Some(this), next)
            }
            Err(text) => (None, Next::Done(HandlerOutcome::Error(text))),
        }
    }

    fn prepare(
        now: SimTime,
        (asker, stream): (Asker, StreamKey),
        handler: &Handler,
        container: &Container,
        pod_ip: Option<Ipv4Addr>,
    ) -> Result<Self, Text> {
        let no_address = || Text::from("failed to find networking container");
        let deadline = match asker {
            Asker::Probe { timeout } => now + timeout,
            Asker::Hook => SimTime::MAX,
        };
        let host_of = |host: &Name| match (host.is_empty(), pod_ip) {
            (false, _) => Ok(host.to_string()),
            (true, Some(ip)) => Ok(ip.to_string()),
            (true, None) => Err(no_address()),
        };
        let (own_pod, stage) = match handler {
            Handler::HttpGet { path, port, host, https, headers } => {
                let (target, port) = (host_of(host)?, resolve_port(*port, container)?);
                let path = if path.starts_with('/') { path.to_string() } else { format!("/{path}") };
                let url = Url { secure: *https, host: target.clone(), port, shows_port: true, path };
                let page = Page::new(url, asker, headers);
                (host.is_empty(), Stage::Http { page, first_host: target, requests: 0 })
            }
            Handler::TcpSocket { port, host } => {
                let target = format!("{}:{}", host_of(host)?, resolve_port(*port, container)?);
                (host.is_empty(), Stage::Tcp { target })
            }
            Handler::Grpc { port, service } => {
                let address = pod_ip.ok_or_else(no_address)?;
                (true, Stage::Health { address, port: *port, service: *service, redial: REDIAL })
            }
            Handler::Exec { .. } | Handler::Sleep { .. } => unreachable!("these do not use the network"),
        };
        Ok(Self { asker, deadline, stream, own_pod, stage })
    }

    fn send(&mut self) -> Next {
        let (deadline, stream) = (self.deadline, self.stream);
        match &mut self.stage {
            Stage::Http { page, requests, .. } => match lookup(&page.url.host) {
                Ok(address) => {
                    *requests += 1;
                    let ask = Ask::Http(page.request());
                    Next::Ask(Box::new(NetRequest { address, port: page.url.port, ask, deadline, stream }))
                }
                Err(error) => self.fail(&error),
            },
            Stage::Tcp { target } => {
                let (host, port) = target.rsplit_once(':').expect("a target has a port");
                let port = port.parse().expect("a port is a number");
                match lookup(host) {
                    Ok(address) => {
                        Next::Ask(Box::new(NetRequest { address, port, ask: Ask::Connect, deadline, stream }))
                    }
                    Err(error) => self.fail(&error),
                }
            }
            Stage::Health { address, port, service, .. } => {
                let ask = Ask::Health { service: *service };
                Next::Ask(Box::new(NetRequest { address: *address, port: *port, ask, deadline, stream }))
            }
        }
    }

    /// A wait is over.
    pub(super) fn resume(&mut self, now: SimTime) -> Next {
        if now < self.deadline {
            return self.send();
        }
        match (&self.stage, self.asker) {
            (Stage::Health { address, port, .. }, Asker::Probe { timeout }) => failed(format!(
                "timeout: failed to connect service \"{address}:{port}\" within {}: context deadline exceeded",
                go_duration(timeout)
            )),
            _ => self.fail("context deadline exceeded"),
        }
    }

    /// An answer has come.
    pub(super) fn answered(&mut self, now: SimTime, reply: NetReply) -> Next {
        let stands_until = if self.own_pod { reply.stands_until } else { SimTime::ZERO };
        match &self.stage {
            Stage::Http { .. } => self.http_answered(reply.answer, stands_until),
            Stage::Tcp { .. } => match self.transport_error(&reply.answer) {
                Some(error) => self.fail(&error),
                None => Next::Done(HandlerOutcome::Success { stands_until }),
            },
            Stage::Health { .. } => self.health_answered(now, reply.answer, stands_until),
        }
    }

    fn http_answered(&mut self, answer: NetAnswer, stands_until: SimTime) -> Next {
        let NetAnswer::Http { status, location, body } = answer else {
            if answer == NetAnswer::NoTls && self.asker == Asker::Hook {
                return self.without_tls();
            }
            let error = self.transport_error(&answer).unwrap_or_default();
            return self.fail(&error);
        };
        if matches!(status, 301 | 302 | 303 | 307 | 308)
            && !location.is_empty()
            && let Some(next) = self.redirected(&location)
        {
            return next;
        }
        match (self.asker, status) {
            (Asker::Hook, _) | (_, 200..=299) => Next::Done(HandlerOutcome::Success { stands_until }),
            (_, 300..=399) => {
                let end = body.char_indices().map(|(at, _)| at).find(|at| *at >= BODY_LIMIT).unwrap_or(body.len());
                let text = format!("Probe terminated redirects, Response body: {}", &body[..end]);
                Next::Done(HandlerOutcome::Warning(text.into()))
            }
            (_, status) => failed(format!("HTTP probe failed with statuscode: {status}")),
        }
    }

    /// Follows a redirect, unless it leaves the host.
    fn redirected(&mut self, location: &str) -> Option<Next> {
        let Stage::Http { page, first_host, requests } = &mut self.stage else { return None };
        let url = page.url.join(location)?;
        if url.host != *first_host {
            return None;
        }
        if *requests >= MOST_REQUESTS {
            location.clone_into(&mut page.shown);
            return Some(self.fail(&format!("stopped after {MOST_REQUESTS} redirects")));
        }
        if location.contains("://") {
            page.host = None;
        }
        page.shown = url.to_string();
        page.url = url;
        Some(self.send())
    }

    /// A hook that meets plain HTTP where it wanted TLS asks again without (`isHTTPResponseError`). The event that this
    /// is told with names a pod where the recorder wants a container, and is dropped (`FilterEventRecorder`).
    fn without_tls(&mut self) -> Next {
        if let Stage::Http { page, .. } = &mut self.stage {
            page.url.secure = false;
        }
        self.send()
    }

    fn health_answered(&mut self, now: SimTime, answer: NetAnswer, stands_until: SimTime) -> Next {
        let Stage::Health { redial, .. } = &mut self.stage else { return Next::Wait(self.deadline) };
        match answer {
            NetAnswer::Health(health) if health == "SERVING" => Next::Done(HandlerOutcome::Success { stands_until }),
            NetAnswer::Health(health) => failed(format!("service unhealthy (responded with \"{health}\")")),
            NetAnswer::GrpcError { code, message } if code == "Unimplemented" => failed(format!(
                "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {message}"
            )),
            NetAnswer::GrpcError { code, message } => {
                failed(format!("error: health rpc probe failed: rpc error: code = {code} desc = {message}"))
            }
            NetAnswer::Closed | NetAnswer::Reset { .. } => failed(
                "error: health rpc probe failed: rpc error: code = Unavailable desc = error reading from server: EOF",
            ),
            NetAnswer::TimedOut => {
                let Asker::Probe { timeout } = self.asker else { return Next::Wait(SimTime::MAX) };
                failed(format!("timeout: health rpc did not complete within {}", go_duration(timeout)))
            }
            NetAnswer::Refused
            | NetAnswer::Unreachable
            | NetAnswer::Malformed(_)
            | NetAnswer::NoTls
            | NetAnswer::Connected
            | NetAnswer::Http { .. } => {
                let again = now + *redial;
                *redial = redial.mul_ratio(8, 5);
                Next::Wait(again.min(self.deadline))
            }
        }
    }

    /// What went wrong below the protocol.
    fn transport_error(&self, answer: &NetAnswer) -> Option<String> {
        let to = match &self.stage {
            Stage::Http { page, .. } => format!("{}:{}", page.url.host, page.url.port),
            Stage::Tcp { target } => target.clone(),
            Stage::Health { address, port, .. } => format!("{address}:{port}"),
        };
        let http = matches!(self.stage, Stage::Http { .. });
        Some(match answer {
            NetAnswer::Refused => format!("dial tcp {to}: connect: connection refused"),
            NetAnswer::Unreachable => format!("dial tcp {to}: connect: no route to host"),
            NetAnswer::TimedOut if http => {
                "context deadline exceeded (Client.Timeout exceeded while awaiting headers)".to_owned()
            }
            NetAnswer::TimedOut => format!("dial tcp {to}: i/o timeout"),
            NetAnswer::Closed => "EOF".to_owned(),
            NetAnswer::Reset { from_port } => {
                let from = to.rsplit_once(':').map_or(&*to, |(host, _)| host);
                format!("read tcp {from}:{from_port}->{to}: read: connection reset by peer")
            }
            NetAnswer::Malformed(line) => {
                format!("net/http: HTTP/1.x transport connection broken: malformed HTTP response \"{line}\"")
            }
            NetAnswer::NoTls => "http: server gave HTTP response to HTTPS client".to_owned(),
            NetAnswer::Connected | NetAnswer::Http { .. } | NetAnswer::Health(_) | NetAnswer::GrpcError { .. } => {
                return None;
            }
        })
    }

    fn fail(&self, error: &str) -> Next {
        match &self.stage {
            Stage::Http { page, .. } => failed(format!("Get \"{}\": {error}", page.shown)),
            Stage::Tcp { .. } | Stage::Health { .. } => failed(error),
        }
    }
}

impl Page {
    fn new(url: Url, asker: Asker, given: &[(Name, Name)]) -> Self {
        let usual: &[(&str, &str)] = match asker {
            Asker::Probe { .. } => &[("User-Agent", "kube-probe/1.36"), ("Accept", "*/*"), ("Connection", "close")],
            Asker::Hook => &[("User-Agent", "kube-lifecycle/1.36"), ("Accept", "*/*"), ("Accept-Encoding", "gzip")],
        };
        let has = |name: &str| given.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        let host = given.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")).map(|(_, host)| host.to_string());
        let added =
            usual.iter().filter(|(name, _)| !has(name)).map(|(name, value)| (Name::new(name), Name::new(value)));
        let headers =
            given.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")).copied().chain(added).collect();
        Self { shown: url.to_string(), url, host, headers }
    }

    fn request(&self) -> HttpRequest {
        HttpRequest {
            path: self.url.path.clone(),
            host: self.host.clone().unwrap_or_else(|| self.url.authority()),
            tls: self.url.secure,
            headers: self.headers.clone(),
        }
    }
}

fn failed(text: impl Into<Text>) -> Next {
    Next::Done(HandlerOutcome::Failure(text.into()))
}

/// The port that a handler means (`ResolveContainerPort`): a name that no port of the container has is read as a
/// number, which it is not.
fn resolve_port(port: Port, container: &Container) -> Result<u16, Text> {
    match port {
        Port::Number(number) => Ok(number),
        Port::Named(name) => {
            let found = container.port_named(&name).or_else(|| name.parse().ok());
            found.ok_or_else(|| format!("strconv.Atoi: parsing \"{name}\": invalid syntax").into())
        }
    }
}

/// The address behind a host, as the node sees it.
fn lookup(host: &str) -> Result<Ipv4Addr, String> {
    if host == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST);
    }
    host.parse().map_err(|_| format!("dial tcp: lookup {host} on {RESOLVER}: no such host"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{ContainerPort, List};

    const IP: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 7);
    const PROBE: Asker = Asker::Probe { timeout: SimDuration::from_secs(1) };

    fn get(path: &str, port: Port, https: bool) -> Handler {
        Handler::HttpGet { path: Name::new(path), port, host: Name::default(), https, headers: List::EMPTY }
    }

    fn page(status: u16, location: &str) -> NetAnswer {
        NetAnswer::Http { status, location: location.into(), body: Text::default() }
    }

    /// Plays answers to a handler, and returns the pages asked for and what it came to.
    fn play(asker: Asker, handler: &Handler, answers: &[NetAnswer]) -> (Vec<String>, HandlerOutcome) {
        let named = ContainerPort { name: Name::new("web"), container_port: 80, ..ContainerPort::default() };
        let container = Container { ports: vec![named], ..Container::default() };
        let (mut this, mut next) =
            NetHandler::begin(SimTime::ZERO, (asker, StreamKey::from_bits(0)), handler, &container, Some(IP));
        let mut pages = Vec::new();
        let mut now = SimTime::ZERO;
        let mut answers = answers.iter().cycle();
        loop {
            match next {
                Next::Done(outcome) => return (pages, outcome),
                Next::Wait(until) => {
                    now = until;
                    next = this.as_mut().unwrap().resume(now);
                }
                Next::Ask(request) => {
                    if let Ask::Http(http) = &request.ask {
                        pages.push(format!("{}:{}{}", if http.tls { "tls" } else { "tcp" }, request.port, http.path));
                    }
                    let answer = answers.next().unwrap().clone();
                    next = this.as_mut().unwrap().answered(now, NetReply { answer, stands_until: SimTime::MAX });
                }
            }
        }
    }

    #[test]
    fn answers_become_words() {
        let success = || HandlerOutcome::Success { stands_until: SimTime::MAX };
        let failure = |text: &str| HandlerOutcome::Failure(text.into());
        let warning = HandlerOutcome::Warning("Probe terminated redirects, Response body: ".into());
        let http = get("/x", Port::Number(80), false);
        let tls = get("/", Port::Number(80), true);
        let tcp = Handler::TcpSocket { port: Port::Number(81), host: Name::default() };
        let away = Handler::TcpSocket { port: Port::Number(81), host: Name::new("app.test") };
        let grpc = Handler::Grpc { port: 9, service: Name::default() };
        let status = |code: &str, text: &str| NetAnswer::GrpcError { code: Name::new(code), message: text.into() };
        for (handler, answer, outcome) in [
            (&http, page(204, ""), success()),
            (&http, page(304, ""), warning.clone()),
            (&http, page(302, "http://elsewhere/"), warning),
            (&http, page(302, "/x"), failure("Get \"/x\": stopped after 10 redirects")),
            (&http, page(503, ""), failure("HTTP probe failed with statuscode: 503")),
            (
                &http,
                NetAnswer::Refused,
                failure("Get \"http://10.244.0.7:80/x\": dial tcp 10.244.0.7:80: connect: connection refused"),
            ),
            (&http, NetAnswer::Closed, failure("Get \"http://10.244.0.7:80/x\": EOF")),
            (
                &tls,
                NetAnswer::NoTls,
                failure("Get \"https://10.244.0.7:80/\": http: server gave HTTP response to HTTPS client"),
            ),
            (&tcp, NetAnswer::Connected, success()),
            (&tcp, NetAnswer::Refused, failure("dial tcp 10.244.0.7:81: connect: connection refused")),
            (&away, NetAnswer::Connected, failure("dial tcp: lookup app.test on 10.0.0.2:53: no such host")),
            (&grpc, NetAnswer::Health(Name::new("SERVING")), success()),
            (
                &grpc,
                NetAnswer::Health(Name::new("NOT_SERVING")),
                failure("service unhealthy (responded with \"NOT_SERVING\")"),
            ),
            (
                &grpc,
                status("NotFound", "unknown service"),
                failure("error: health rpc probe failed: rpc error: code = NotFound desc = unknown service"),
            ),
            (
                &grpc,
                NetAnswer::Refused,
                failure("timeout: failed to connect service \"10.244.0.7:9\" within 1s: context deadline exceeded"),
            ),
            (&grpc, NetAnswer::TimedOut, failure("timeout: health rpc did not complete within 1s")),
        ] {
            assert_eq!(play(PROBE, handler, std::slice::from_ref(&answer)).1, outcome, "{handler:?} and {answer:?}");
        }
    }

    #[test]
    fn hooks_ask_again_without_tls_and_look_at_no_status() {
        let hook = get("bye", Port::Named(Name::new("web")), true);
        let (pages, outcome) = play(Asker::Hook, &hook, &[NetAnswer::NoTls, page(500, "")]);
        assert_eq!(pages, ["tls:80/bye", "tcp:80/bye"]);
        assert_eq!(outcome, HandlerOutcome::Success { stands_until: SimTime::MAX });
    }

    #[test]
    fn redirects_are_followed_on_the_same_host() {
        let (pages, outcome) = play(
            PROBE,
            &get("/a", Port::Number(80), false),
            &[page(301, "b"), page(307, "http://10.244.0.7:81/c"), page(500, "")],
        );
        assert_eq!(pages, ["tcp:80/a", "tcp:80/b", "tcp:81/c"]);
        assert_eq!(outcome, HandlerOutcome::Failure("HTTP probe failed with statuscode: 500".into()));
    }

    #[test]
    fn an_unknown_port_is_an_error() {
        let (_, outcome) = play(PROBE, &get("/", Port::Named(Name::new("nope")), false), &[]);
        assert_eq!(outcome, HandlerOutcome::Error("strconv.Atoi: parsing \"nope\": invalid syntax".into()));
    }
}
