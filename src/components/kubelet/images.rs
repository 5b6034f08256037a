//! Getting images: policies, the pull back-off, and one puller for the whole node.
//!
//! Follows `pkg/kubelet/images/image_manager.go`, `puller.go` and `helpers.go` of Kubernetes 1.36.

use super::back_off::BackOff;
use super::config::KubeletConfig;
use super::container_start::go_duration;
use super::credentials::{Credential, PulledImages};
use super::{Kubelet, PendingCri};
use crate::api::names;
use crate::api::{EventType, FastMap, ImagePullPolicy, Name, Text};
use crate::components::cri::{CriCall, CriReply, CriResult, PodKey};
use crate::components::message::Message;
use crate::components::token_bucket::TokenBucket;
use crate::engine::{Outbox, SimDuration, SimTime};
use std::borrow::Cow;
use std::collections::VecDeque;

names! {
    ERR_IMAGE_PULL = "ErrImagePull";
    IMAGE_PULL_BACK_OFF = "ImagePullBackOff";
    ERR_IMAGE_NEVER_PULL = "ErrImageNeverPull";
    INVALID_IMAGE_NAME = "InvalidImageName";
    IMAGE_INSPECT_ERROR = "ImageInspectError";
    REGISTRY_UNAVAILABLE = "RegistryUnavailable";
    SIGNATURE_VALIDATION_FAILED = "SignatureValidationFailed";
}

/// The registry of images that name none.
pub(super) const HUB: &str = "docker.io";
const REPOSITORY_NAME_TOTAL_LENGTH_MAX: usize = 255;

/// What became of the image of a container that is being started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ImageOutcome {
    /// It is there.
    There,
    /// It cannot be had.
    Failed { reason: Name, message: Text },
}

/// The puller and what is remembered of failed pulls.
#[derive(Debug, Clone)]
pub(super) struct ImageManager {
    /// The users of the images that were asked about.
    pub(super) users: FastMap<Name, i64>,
    queue: VecDeque<Pull>,
    /// Pulls under way: one, or as many as are allowed.
    pulling: Vec<Pull>,
    limit: TokenBucket,
    /// How many pulls were asked for.
    asked: u32,
    back_off: FastMap<(PodKey, Name), Failed>,
    /// The images that were pulled, and with what.
    pub(super) pulled: PulledImages,
}

/// A pull that a container start waits for.
#[derive(Debug, Clone)]
struct Pull {
    /// Its number: one image may be pulled for several pods at a time.
    number: u32,
    key: PodKey,
    turn: u32,
    image: Name,
    asked_at: SimTime,
    began_at: SimTime,
    /// What it is pulled with, if not without.
    credential: Option<Credential>,
}

/// What is remembered of a failed pull.
#[derive(Debug, Clone)]
struct Failed {
    back_off: BackOff,
    error: Text,
}

impl ImageManager {
    pub(super) fn new(config: &KubeletConfig) -> Self {
        Self {
            users: FastMap::default(),
            queue: VecDeque::new(),
            pulling: Vec::new(),
            limit: TokenBucket::new(config.registry_pull_qps, config.registry_burst),
            asked: 0,
            back_off: FastMap::default(),
            pulled: PulledImages::default(),
        }
    }

    /// What is left when the process dies: what was pulled.
    pub(super) fn of_next_process(&mut self, config: &KubeletConfig) -> Self {
        Self { pulled: std::mem::take(&mut self.pulled), ..Self::new(config) }
    }

    /// Whether an image is pulled, or is about to be.
    pub(super) fn is_pulling(&self, image: Name) -> bool {
        self.queue.iter().chain(&self.pulling).any(|pull| pull.image == image)
    }
}

impl Kubelet {
    /// Looks for the image of a container that is being started, or of a volume, which no container is named for.
    pub(super) fn ensure_image(
        &mut self,
        now: SimTime,
        key: PodKey,
        container: Name,
        image: Name,
        policy: ImagePullPolicy,
        out: &mut Outbox<Message>,
    ) {
        if let Some(problem) = invalid_image_name(&image) {
            let text = format!("Failed to apply default image tag {:?}: {problem}", image.as_str());
            self.tell_container(now, key, container, EventType::Warning, "InspectFailed", &text, out);
            let outcome = ImageOutcome::Failed { reason: *INVALID_IMAGE_NAME, message: text.into() };
            return self.image_ensured(now, key, outcome, out);
        }
        match policy {
            ImagePullPolicy::Always => self.pull_unless_backing_off(now, key, container, image, out),
            ImagePullPolicy::IfNotPresent | ImagePullPolicy::Never => {
                self.call_for_image(now, key, CriCall::ImageStatus { image }, out);
            }
        }
    }

    /// The runtime has said whether the image is there.
    pub(super) fn image_step_answered(
        &mut self,
        now: SimTime,
        key: PodKey,
        result: CriResult,
        out: &mut Outbox<Message>,
    ) {
        let Some((container, image, policy)) = self.starting(key) else { return };
        let absent = match &result {
            Ok(CriReply::Image { .. }) => !self.may_use(key, image),
            Ok(_) => true,
            Err(_) => false,
        };
        match result {
            Ok(CriReply::Image { user, .. }) if !absent => {
                self.images.users.insert(image, user);
                let text = format!(
                    "Container image {:?} already present on machine and can be accessed by the pod",
                    image.as_str()
                );
                self.tell_container(now, key, container, EventType::Normal, "Pulled", text, out);
                self.image_ensured(now, key, ImageOutcome::There, out);
            }
            // An image that the pod may not use is as good as none.
            Ok(_) if policy == ImagePullPolicy::Never => {
                let text = format!("Container image {:?} is not present with pull policy of Never", image.as_str());
                self.tell_container(now, key, container, EventType::Warning, "ErrImageNeverPull", &text, out);
                let outcome = ImageOutcome::Failed { reason: *ERR_IMAGE_NEVER_PULL, message: text.into() };
                self.image_ensured(now, key, outcome, out);
            }
            Err(error) => {
                let text = format!("Failed to inspect image {:?}: {}", image.as_str(), error.rpc_text());
                self.tell_container(now, key, container, EventType::Warning, "InspectFailed", &text, out);
                let outcome = ImageOutcome::Failed { reason: *IMAGE_INSPECT_ERROR, message: text.into() };
                self.image_ensured(now, key, outcome, out);
            }
            Ok(_) => self.pull_unless_backing_off(now, key, container, image, out),
        }
    }

    fn pull_unless_backing_off(
        &mut self,
        now: SimTime,
        key: PodKey,
        container: Name,
        image: Name,
        out: &mut Outbox<Message>,
    ) {
        if let Some(failed) = self.images.back_off.get(&(key, image))
            && failed.back_off.blocks_since_update(now).is_some()
        {
            let text = format!("Back-off pulling image {:?}", image.as_str());
            let message = format!("{text}: {}", failed.error);
            self.tell_container(now, key, container, EventType::Normal, "BackOff", text, out);
            let outcome = ImageOutcome::Failed { reason: *IMAGE_PULL_BACK_OFF, message: message.into() };
            return self.image_ensured(now, key, outcome, out);
        }
        let text = format!("Pulling image {:?}", image.as_str());
        self.tell_container(now, key, container, EventType::Normal, "Pulling", text, out);
        self.images.asked += 1;
        let number = self.images.asked;
        let credential = self.credentials(key, image).into_iter().next();
        let pull = Pull { number, key, turn: self.turn(key), image, asked_at: now, began_at: now, credential };
        self.images.queue.push_back(pull);
        self.pull_next(now, out);
    }

    /// Begins the next pull of the queue, if the puller is free.
    fn pull_next(&mut self, now: SimTime, out: &mut Outbox<Message>) {
        let most = match (self.config.serialize_image_pulls, self.config.max_parallel_image_pulls) {
            (true, _) => 1,
            (false, Some(most)) => most.max(1) as usize,
            (false, None) => usize::MAX,
        };
        while self.images.pulling.len() < most {
            let Some(mut pull) = self.images.queue.pop_front() else { return };
            if !self.images.limit.try_take(now) {
                self.pull_failed(now, &pull, "pull QPS exceeded", out);
                continue;
            }
            pull.began_at = now;
            let (key, image, number) = (pull.key, pull.image, pull.number);
            self.images.pulling.push(pull);
            let stream = self.pods.get(&key).map_or(self.stream, |state| state.stream.part("pull"));
            let delay = self.latency(|profile| &profile.sync_step, now, stream);
            self.call_runtime(delay, CriCall::PullImage { key, image }, PendingCri::Pull { number }, out);
        }
    }

    /// A pull has ended.
    pub(super) fn pulled(&mut self, now: SimTime, number: u32, result: CriResult, out: &mut Outbox<Message>) {
        let Some(place) = self.images.pulling.iter().position(|pull| pull.number == number) else { return };
        let pull = self.images.pulling.remove(place);
        match result {
            Ok(CriReply::Image { size, user }) => {
                self.images.users.insert(pull.image, user);
                self.images.pulled.record(pull.image, pull.credential.clone());
                self.pull_succeeded(now, &pull, size, out);
            }
            Ok(_) => unreachable!("PullImage answers with an image"),
            Err(error) if error.code == "Unknown" => self.pull_failed(now, &pull, &error.message, out),
            Err(error) => self.pull_failed(now, &pull, &error.rpc_text(), out),
        }
        self.pull_next(now, out);
    }

    fn pull_succeeded(&mut self, now: SimTime, pull: &Pull, size: i64, out: &mut Outbox<Message>) {
        // What failed before is not forgiven by a pull that works, only by time (`backOff.GC`).
        self.images.back_off.retain(|_, failed| !failed.back_off.has_expired(now));
        if self.turn(pull.key) != pull.turn {
            return;
        }
        let Some((container, image, _)) = self.starting(pull.key) else { return };
        let (took, waited) = (now.since(pull.began_at), now.since(pull.asked_at));
        let text = format!(
            "Successfully pulled image {:?} in {} ({} including waiting). Image size: {size} bytes.",
            image.as_str(),
            short_duration(took),
            short_duration(waited)
        );
        self.tell_container(now, pull.key, container, EventType::Normal, "Pulled", text, out);
        self.image_ensured(now, pull.key, ImageOutcome::There, out);
    }

    fn pull_failed(&mut self, now: SimTime, pull: &Pull, error: &str, out: &mut Outbox<Message>) {
        let (base, cap) = (self.config.image_back_off_base, self.config.image_back_off_cap);
        let before = self.images.back_off.get(&(pull.key, pull.image)).map(|failed| failed.back_off);
        let back_off = BackOff::next(before, base, cap, now, now);
        let (reason, message) = pull_error(&pull.image, error);
        let failed = Failed { back_off, error: format!("{reason}: {message}").into() };
        self.images.back_off.insert((pull.key, pull.image), failed);
        if self.turn(pull.key) != pull.turn {
            return;
        }
        let Some((container, image, _)) = self.starting(pull.key) else { return };
        let text = format!("Failed to pull image {:?}: {error}", image.as_str());
        self.tell_container(now, pull.key, container, EventType::Warning, "Failed", text, out);
        let outcome = ImageOutcome::Failed { reason, message: message.into() };
        self.image_ensured(now, pull.key, outcome, out);
    }
}

/// What a failed pull is called and what is said of it (`evalCRIPullErr`): some errors begin with their own name.
fn pull_error(image: &str, error: &str) -> (Name, String) {
    let named = [
        (*REGISTRY_UNAVAILABLE, "the registry is unavailable"),
        (*SIGNATURE_VALIDATION_FAILED, "the signature validation failed"),
    ];
    for (name, because) in named {
        if let Some(rest) = error.strip_prefix(name.as_str()) {
            return (name, format!("image pull failed for {image} because {because}{rest}"));
        }
    }
    (*ERR_IMAGE_PULL, error.to_owned())
}

/// A duration in milliseconds as Go prints it: `350ms`, `2.2s`, `1m5.2s`.
fn short_duration(span: SimDuration) -> String {
    let millis = span.as_millis();
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let whole = go_duration(SimDuration::from_secs(millis / 1_000));
    let rest = millis % 1_000;
    if rest == 0 {
        return whole;
    }
    let fraction = format!("{rest:03}");
    format!("{}.{}s", whole.trim_end_matches('s'), fraction.trim_end_matches('0'))
}

/// What is wrong with an image reference, if anything (`distribution/reference`, `ParseNormalizedNamed`).
fn invalid_image_name(image: &str) -> Option<String> {
    let invalid = |why: &str| Some(format!("couldn't parse image name {image:?}: {why}"));
    if image.len() == 64 && image.bytes().all(is_lower_hex) {
        return invalid(&format!("invalid repository name ({image}), cannot specify 64-byte hexadecimal strings"));
    }
    let (domain, remainder) = split_domain(image);
    let repository = remainder.split(':').next().unwrap_or_default();
    if repository.to_lowercase() != repository {
        return invalid(&format!("invalid reference format: repository name ({repository}) must be lowercase"));
    }
    let (name, digest) = remainder.split_once('@').map_or((&*remainder, None), |(name, digest)| (name, Some(digest)));
    let (path, tag) = name.split_once(':').map_or((name, None), |(path, tag)| (path, Some(tag)));
    // What is no domain may still be the first part of a path.
    let named = is_domain(domain) || is_path_component(domain);
    let well_formed = named && path.split('/').all(is_path_component) && tag.is_none_or(is_tag);
    if !well_formed || !digest.is_none_or(is_digest) {
        return invalid("invalid reference format");
    }
    let path_length = path.len() + if is_domain(domain) { 0 } else { domain.len() + 1 };
    if path_length > REPOSITORY_NAME_TOTAL_LENGTH_MAX {
        let most = REPOSITORY_NAME_TOTAL_LENGTH_MAX;
        return invalid(&format!("repository name must not be more than {most} characters"));
    }
    digest.and_then(wrong_checksum).and_then(invalid)
}

/// The registry and the rest of a reference (`splitDockerDomain`): what has no registry is Docker Hub's, and one word
/// alone is one of its library.
pub(super) fn split_domain(image: &str) -> (&str, Cow<'_, str>) {
    let is_named =
        |first: &str| first == "localhost" || first.contains(['.', ':']) || first.chars().any(char::is_uppercase);
    let (domain, rest) = match image.split_once('/') {
        Some((first, rest)) if is_named(first) => (if first == "index.docker.io" { HUB } else { first }, rest),
        Some(_) | None => (HUB, image),
    };
    if domain == HUB && !rest.contains('/') {
        return (domain, format!("library/{rest}").into());
    }
    (domain, rest.into())
}

const fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// A host, by name or by a bracketed address, and perhaps a port.
fn is_domain(domain: &str) -> bool {
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((address, port)) = domain.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let hex = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
        return !address.is_empty()
            && address.bytes().all(hex)
            && (port.is_empty() || port.strip_prefix(':').is_some_and(digits));
    }
    let (host, port) = domain.split_once(':').map_or((domain, None), |(host, port)| (host, Some(port)));
    let label = |label: &str| {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(word) && !label.starts_with('-') && !label.ends_with('-')
    };
    host.split('.').all(label) && port.is_none_or(digits)
}

/// Lower-case letters and digits, with a dot, one or two underscores, or hyphens between them.
fn is_path_component(part: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(letter)
        && part.ends_with(letter)
        && part
            .split(letter)
            .all(|between| matches!(between, "" | "." | "_" | "__") || between.chars().all(|c| c == '-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= 128 && tag.starts_with(word) && tag.chars().all(|c| word(c) || matches!(c, '.' | '-'))
}

/// An algorithm, a colon and at least 32 hexadecimal digits.
fn is_digest(digest: &str) -> bool {
    let Some((algorithm, checksum)) = digest.split_once(':') else { return false };
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(word)
        && checksum.len() >= 32
        && checksum.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What is wrong with a checksum that has the form of one (`opencontainers/go-digest`, `Validate`).
fn wrong_checksum(digest: &str) -> Option<&'static str> {
    let (algorithm, checksum) = digest.split_once(':')?;
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Some("unsupported digest algorithm"),
    };
    if checksum.len() != length {
        return Some("invalid checksum digest length");
    }
    (!checksum.bytes().all(is_lower_hex)).then_some("invalid checksum digest format")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Node, WallClock, WallTime};
    use crate::components::kubelet::KubeletSetup;
    use crate::components::message::NodeIndex;
    use crate::engine::Draws;
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    #[test]
    fn image_references_are_checked_as_the_kubelet_does() {
        let sum = "0123456789abcdef".repeat(4);
        for image in ["nginx", "nginx:1.27", "registry.test:5000/a/b-c_d:V1", "localhost/x", "UPPER/x", "a__b/c---d"] {
            assert_eq!(invalid_image_name(image), None, "{image}");
        }
        for image in [format!("a/b@sha256:{sum}"), "[::1]:5000/x".into(), "a_b.c/x".into(), "host:5000".into()] {
            assert_eq!(invalid_image_name(&image), None, "{image}");
        }
        for (image, why) in [
            ("registry.test/Bad_Name:1", "invalid reference format: repository name (Bad_Name) must be lowercase"),
            ("Nginx", "invalid reference format: repository name (library/Nginx) must be lowercase"),
            ("nginx@sha256:0123", "invalid reference format"),
            (&format!("nginx@sha256:{}", &sum[1..]), "invalid checksum digest length"),
            (&format!("nginx@sha256:{}", sum.to_uppercase()), "invalid checksum digest format"),
            (&format!("nginx@md5:{sum}"), "unsupported digest algorithm"),
            (&sum, &format!("invalid repository name ({sum}), cannot specify 64-byte hexadecimal strings")),
            (&"a".repeat(256), "repository name must not be more than 255 characters"),
        ] {
            assert_eq!(invalid_image_name(image), Some(format!("couldn't parse image name {image:?}: {why}")));
        }
        for image in ["", "UPPER/", "a//b", "a:b:c", "nginx:", "-x", "a..b", "a._b", "a___b", "a.b:x/c", "a@b"] {
            let why = invalid_image_name(image).unwrap_or_default();
            assert!(why.ends_with(": invalid reference format"), "{image:?}: {why}");
        }
    }

    #[test]
    fn a_pull_that_works_forgives_nothing_that_failed_within_ten_minutes() {
        let mut kubelet = Kubelet::new(KubeletSetup {
            node: NodeIndex(0),
            name: Name::new("node-1"),
            address: Ipv4Addr::LOCALHOST,
            config: Arc::default(),
            profile: Arc::default(),
            clock: WallClock::starting_at(WallTime::from_unix_nanos(0)),
            draws: Draws::new(1),
            every_probe: false,
            template: Arc::new(Node::default()),
        });
        let (key, image) = (PodKey::of_static(1), Name::new("nginx"));
        let pull =
            Pull { number: 1, key, turn: 0, image, asked_at: SimTime::ZERO, began_at: SimTime::ZERO, credential: None };
        let mut out = Outbox::new();
        let delay = |kubelet: &Kubelet| kubelet.images.back_off.get(&(key, image)).map(|failed| failed.back_off.delay);
        // (the time, whether it works, the delay afterwards), in seconds
        for (secs, works, expected) in [
            (0, false, Some(10)),
            (20, false, Some(20)),
            (50, true, Some(20)),
            (100, false, Some(40)),
            (700, true, Some(40)),
            (701, true, None),
            (702, false, Some(10)),
        ] {
            let now = SimTime::from_secs(secs);
            if works {
                kubelet.pull_succeeded(now, &pull, 1, &mut out);
            } else {
                kubelet.pull_failed(now, &pull, "no", &mut out);
            }
            assert_eq!(delay(&kubelet), expected.map(SimDuration::from_secs), "after {secs} s");
        }
    }

    #[test]
    fn errors_of_pulls_have_names() {
        // `TestEvalCRIPullErr`.
        for (error, reason, message) in [
            ("unknown error", "ErrImagePull", "unknown error"),
            (
                "RegistryUnavailable: no route",
                "RegistryUnavailable",
                "image pull failed for test because the registry is unavailable: no route",
            ),
            (
                "SignatureValidationFailed",
                "SignatureValidationFailed",
                "image pull failed for test because the signature validation failed",
            ),
        ] {
            assert_eq!(pull_error("test", error), (Name::new(reason), message.to_owned()), "{error}");
        }
    }

    #[test]
    fn pull_times_print_as_go_prints_them() {
        for (millis, text) in [(0, "0ms"), (350, "350ms"), (2_200, "2.2s"), (61_005, "1m1.005s"), (60_000, "1m0s")] {
            assert_eq!(short_duration(SimDuration::from_millis(millis)), text);
        }
    }
}
