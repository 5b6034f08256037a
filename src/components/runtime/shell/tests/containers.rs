//! Command lines as people write them into manifests.

use super::super::Dialect::{self, Bash, BusyBox, Dash};
use super::super::{Found, State, find};
use super::harness::Container;
use crate::components::runtime::filesystem::{Directory, File, Mount, Volumes};
use crate::engine::SimTime;

/// Runs a command line for ten minutes, and shows exit code (or that it goes on), log, and what the host was asked.
fn check(argv: &[&str], dialect: Dialect, code: Option<i32>, log: &str, programs: &[&str]) {
    let mut container = Container::new(argv, dialect);
    container.server_up = SimTime::from_secs(25);
    container.run_until(SimTime::from_secs(600));
    assert!(!matches!(container.state, State::Unsupported(_)), "{argv:?}: {:?}", container.state);
    assert_eq!(container.exit_code(), code, "{argv:?}\n{}{}", container.output, container.errors);
    let start: String = container.output.chars().take(log.len()).collect();
    assert_eq!(start, log, "{argv:?}\n{}", container.errors);
    assert_eq!(container.programs(), programs, "{argv:?}");
}

#[test]
fn one_shot_commands() {
    check(&["/bin/echo", "a b", "c"], BusyBox, Some(0), "a b c\n", &[]);
    check(&["env"], BusyBox, Some(0), "HOME=/root\nHOSTNAME=web-0\nPATH=", &[]);
    check(&["printenv", "HOSTNAME", "KUBERNETES_PORT"], Dash, Some(1), "web-0\n", &[]);
    check(&["/bin/sh", "-c", "env"], BusyBox, Some(0), "HOME=/root\n", &[]);
    check(
        &["/bin/sh", "-c", "date; echo Hello from the job"],
        BusyBox,
        Some(0),
        "Thu Jan  1 12:00:00 UTC 2026\nHello",
        &[],
    );
    check(&["cat", "/nope"], BusyBox, Some(1), "", &[]);
    check(&["sleep", "60"], BusyBox, Some(0), "", &[]);
    check(&["sleep", "inf"], Bash, None, "", &[]);
    check(&["sleep", "infinite"], BusyBox, None, "", &[]);
    check(&["sleep", "infinite"], Bash, Some(1), "", &[]);
    check(&["sh", "-c", "sleep 60"], Dash, Some(0), "", &[]);
    check(&["cp", "-f", "/flannel", "/opt/cni/bin/flannel"], BusyBox, Some(1), "", &[]);
    check(&["bash", "-c", "echo \"it's over\" && sleep 90 && exit 42"], Bash, Some(42), "it's over\n", &[]);
    check(&["sh"], BusyBox, Some(0), "", &[]);
    check(&["bash", "--login"], Bash, Some(0), "", &[]);
    check(&["sh", "/no/script.sh"], BusyBox, Some(2), "", &[]);
    check(&["wget", "-O", "/tmp/index.html", "http://nowhere.example"], BusyBox, Some(1), "", &[]);
}

#[test]
fn endless_commands() {
    for argv in [
        &["tail", "-f", "/dev/null"][..],
        &["sh", "-c", "tail -f /dev/null"],
        &["sh", "-c", "tail -F /opt/logs.txt"],
        &["/bin/sh", "-c", "while true; do echo hello; sleep 10;done"],
        &["sh", "-c", "while true; do echo -en '\\n'; printf A=$A'\\n'; printf B=$B'\\n';sleep 30; done;"],
        &["sh", "-c", "i=0; while true; do echo \"$i: $(date)\"; i=$((i+1)); sleep 1; done"],
        &[
            "sh",
            "-c",
            "i=0; while true; do echo \"$i: $(date)\" >> /var/log/1.log; echo \"$(date) INFO $i\" >> \
             /var/log/2.log; i=$((i+1)); sleep 1; done",
        ],
        &["sh", "-c", "while sleep 0.5; do wget -q -O- http://db; done"],
        &["/bin/bash", "-c", "trap : TERM INT; sleep infinity & wait"],
        &["bash", "-c", "while :; do echo tick >> /proc/1/fd/1; sleep 5; done"],
        &["sh", "-c", "mkdir -p /var/run/x && echo $$ > /var/run/x/pid && while :; do sleep 3600; done"],
    ] {
        let dialect = if argv[0].contains("bash") { Bash } else { BusyBox };
        check(argv, dialect, None, "", &[]);
    }
}

#[test]
fn a_counter_writes_a_line_a_second() {
    let mut container = Container::new(
        &["/bin/sh", "-c", "i=0; while true; do echo \"$i: $(date)\"; i=$((i+1)); sleep 1; done"],
        BusyBox,
    );
    container.run_until(SimTime::from_millis(2_900));
    assert_eq!(
        container.output,
        "0: Thu Jan  1 12:00:00 UTC 2026\n1: Thu Jan  1 12:00:01 UTC 2026\n2: Thu Jan  1 12:00:02 UTC 2026\n"
    );
}

#[test]
fn a_liveness_file_comes_and_goes() {
    let argv = ["/bin/sh", "-c", "touch /tmp/healthy; sleep 30; rm -f /tmp/healthy; sleep 600"];
    let mut container = Container::new(&argv, BusyBox);
    for (at, healthy) in [(1, true), (29, true), (31, false), (629, false)] {
        container.run_until(SimTime::from_secs(at));
        // A probe is a command of its own on the same files.
        let mut probe = Container::new(&["cat", "/tmp/healthy"], BusyBox);
        probe.files = container.files.clone();
        probe.run();
        assert_eq!(probe.exit_code(), Some(if healthy { 0 } else { 1 }), "after {at} s");
    }
    assert_eq!(container.exit_code(), None);
    assert_eq!(container.run().exit_code(), Some(0));
}

#[test]
fn init_scripts() {
    let retry = "N=12\nWAIT=10\nfor i in $(seq 1 $N); do\n  echo \"Attempt $i: ${ADDR}...\"\n  \
                 CODE=$(wget --server-response -O /tmp/x http://db:80 2>&1 | awk '/^  HTTP/{print $2}')\n  \
                 if [ $CODE -eq 200 ]; then\n      echo reachable\n      exit 0\n  fi\n  \
                 echo \"Error: ${CODE}\"\n  sleep $WAIT\ndone\nexit 1\n";
    let expect =
        "Attempt 1: ...\nError: \nAttempt 2: ...\nError: \nAttempt 3: ...\nError: \nAttempt 4: ...\nreachable\n";
    for flags in ["-c", "-xc"] {
        check(&["/bin/sh", flags, retry], BusyBox, Some(0), expect, &[]);
    }
    let pick = "items=(foo bar baz qux xyz)\necho ${items[$INDEX]} > /tmp/data.txt\nrev /tmp/data.txt";
    check(&["bash", "-c", &format!("INDEX=3\n{pick}")], Bash, Some(0), "xuq\n", &[]);
    let join = "ARGS=(\"start\" \"--host\" \"$(hostname -f)\")\n\
                if [ ! \"$(hostname)\" == \"web-9\" ] || \\\n   [ -e \"/data/marker\" ]\n\
                then\n  ARGS+=(\"--join\" \"public\")\nfi\n\
                exec /opt/server ${ARGS[*]}\n";
    let started = "exec /opt/server start --host web-0.web.default.svc.cluster.local --join public";
    check(&["/bin/bash", "-ecx", join], Bash, None, "", &[started]);
    check(&["sh", "-c", "sleep 10 && echo Sleep expired > /dev/termination-log"], Dash, Some(0), "", &[]);
    check(
        &["sh", "-c", "server --a=1 --b=/c/d --heap=512M"],
        Dash,
        None,
        "",
        &["run server --a=1 --b=/c/d --heap=512M"],
    );
    check(&["sh", "-c", "server-ready 2181"], Dash, Some(127), "", &[]);
    check(
        &["sh", "-c", "until nslookup db; do echo waiting; sleep 2; done;"],
        BusyBox,
        Some(0),
        "** server can't find db",
        &[],
    );
    check(
        &["sh", "-c", "set -e; mkdir -p /a; [ -f /a/done ] && exit 0; cp /etc/none /a || true; touch /a/done"],
        BusyBox,
        Some(0),
        "",
        &[],
    );
    check(&["sh", "-c", "set -eu\nmkdir -m 0777 -p \"$HOME/vol\"; rm -rf \"$HOME/vol\""], BusyBox, Some(0), "", &[]);
}

#[test]
fn hooks() {
    check(
        &["/bin/sh", "-c", "echo Hello from postStart > /usr/share/message; cat /usr/share/message"],
        Dash,
        Some(0),
        "Hello",
        &[],
    );
    check(&["/bin/sh", "-c", "sleep 180"], Dash, Some(0), "", &[]);
    // nginx goes on in this test, so the hook waits for it.
    check(
        &["/bin/sh", "-c", "nginx -s quit; while killall -0 nginx; do sleep 1; done"],
        Dash,
        None,
        "",
        &["run nginx -s quit"],
    );
    let mut container = Container::new(
        &["/bin/sh", "-c", "nginx -s quit && while killall -0 nginx; do sleep 1; done; echo done"],
        Dash,
    );
    container.run().end_program(1).run();
    assert_eq!((container.output.as_str(), container.exit_code()), ("done\n", Some(0)));
}

#[test]
fn two_containers_share_a_volume() {
    let mut volumes = Volumes::default();
    let shared = volumes.create();
    let config = {
        let mut config = Directory::default();
        config.insert_file(
            "/run.sh",
            File::new("#!/bin/sh\necho started with $1\nexec tail -n+1 -F /in/log\n").executable(),
        );
        volumes.insert(config)
    };
    let writer = "i=0; while [ $i -lt 3 ]; do echo line $i >> /out/log; i=$((i+1)); sleep 2; done; rm /out/log";
    let mut writer = Container::new(&["sh", "-c", writer], BusyBox);
    writer.files.mount(Mount::new("/out", shared));
    let mut reader = Container::new(&["/scripts/run.sh", "x"], BusyBox);
    reader.files.mount(Mount::new("/in", shared).read_only());
    reader.files.mount(Mount::new("/scripts", config));
    for second in 0..10 {
        for container in [&mut reader, &mut writer] {
            std::mem::swap(&mut container.volumes, &mut volumes);
            container.run_until(SimTime::from_secs(second));
            std::mem::swap(&mut container.volumes, &mut volumes);
        }
    }
    assert_eq!(reader.output, "started with x\nline 0\nline 1\nline 2\n");
    assert_eq!(reader.errors.lines().count(), 2, "{}", reader.errors);
    assert_eq!(volumes.get(shared).unwrap().entries().count(), 0);
}

#[test]
fn a_background_job_goes_on_beside_the_server() {
    let script = "(while :; do echo beat; sleep 10; done) &\nexec server";
    let mut container = Container::new(&["sh", "-c", script], BusyBox);
    container.run_until(SimTime::from_secs(25));
    assert_eq!(
        (container.output.as_str(), container.programs()),
        ("beat\nbeat\nbeat\n", vec!["exec server".to_owned()])
    );
    container.end_program(0).run();
    assert_eq!(container.exit_code(), Some(0));
}

#[test]
fn entrypoints_start_servers_and_watch_them() {
    let script = "#!/bin/sh\nset -e\nif [ \"${1#-}\" != \"$1\" ]; then\n  set -- server \"$@\"\nfi\n\
                  if [ \"$1\" = 'server' -a \"$(id -u)\" = '0' ]; then\n  \
                  find . -maxdepth 1 -name x -exec chown me '{}' +\nfi\n\
                  exec \"$@\"\n";
    let mut container = Container::new(&["/entry.sh", "--flag"], BusyBox);
    let Container { files, volumes, now, .. } = &mut container;
    let mut view = files.view(volumes, *now);
    view.append("/entry.sh", script.as_bytes()).unwrap();
    view.set_executable("/entry.sh", true).unwrap();
    container.run();
    assert_eq!(container.programs(), ["exec server --flag"], "{}", container.errors);

    let script = "server --a & A=$!\nserver --b & B=$!\nwait -n\necho one ended: $?\nkill $A $B 2>/dev/null\nexit 1";
    let mut container = Container::new(&["bash", "-c", script], Bash);
    container.run();
    assert_eq!(container.programs(), ["run server --a", "run server --b"]);
    container.calls.swap(0, 1);
    container.end_program(3).run();
    assert_eq!((container.output.as_str(), container.exit_code()), ("one ended: 3\n", Some(1)));
    assert_eq!(container.programs(), ["run server --a", "signal TERM"]);
}

#[test]
fn it_is_known_beforehand_who_runs_a_command() {
    use super::super::{Command, World};
    struct Image(crate::components::runtime::filesystem::FileSystem, Volumes);
    impl World for Image {
        fn files(&mut self) -> crate::components::runtime::filesystem::Files<'_> {
            self.0.view(&mut self.1, SimTime::ZERO)
        }
        fn write(&mut self, _: SimTime, _: super::super::Stream, _: &[u8]) {}
        fn date(&self, _: SimTime) -> jiff::Timestamp {
            jiff::Timestamp::UNIX_EPOCH
        }
        fn hostname(&self) -> String {
            String::new()
        }
    }
    let mut image = Image(Default::default(), Volumes::default());
    image.files().append("/run.sh", b"echo").unwrap();
    image.files().set_executable("/run.sh", true).unwrap();
    image.files().append("/data", b"").unwrap();
    for (name, found) in [
        ("sh", Found::Played),
        ("/bin/sh", Found::Played),
        ("/usr/bin/sleep", Found::Played),
        ("/run.sh", Found::Script { path: "/run.sh".to_owned() }),
        ("/data", Found::NotExecutable),
        ("nginx", Found::Missing),
        ("/usr/sbin/nginx", Found::Missing),
        ("", Found::Missing),
    ] {
        let command = Command { argv: vec![name.to_owned()], directory: "/".to_owned(), ..Command::default() };
        assert_eq!(find(&command, &mut image), found, "{name}");
    }
}
