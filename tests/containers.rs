//! What containers do that no rule names: their command lines are played, their images are models, they share volumes,
//! a network, and the names of Services. Each story is a manifest and what must come of it.

mod story;

use podsim::api::{Kind, Object};
use podsim::components::message::NodeIndex;
use podsim::engine::{SimDuration, SimTime};
use podsim::simulation::Simulation;

/// Plays a manifest for so many seconds, with seeds 1 and 2, and holds it to its expectations.
fn check(seconds: u64, manifest: &str, rest: &str, expect: &[&str]) {
    story::check(&[1, 2], seconds, manifest, rest, expect);
}

/// Plays a manifest for so many seconds, with seed 1.
fn played(seconds: u64, manifest: &str) -> Simulation {
    let mut simulation = story::scenario(seconds, manifest, "").simulate(1);
    simulation.run();
    simulation
}

/// A pod of one container.
fn pod(name: &str, image: &str, command: &[&str], more: &str) -> String {
    let command = if command.is_empty() { String::new() } else { format!(", command: {command:?}") };
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, labels: {{app: {name}}}}}, spec: {{{more} containers: \
         [{{name: app, image: {image}{command}}}]}}}}\n---\n"
    )
}

#[test]
fn a_liveness_file_comes_and_goes() {
    let manifest = "
apiVersion: v1
kind: Pod
metadata: {name: keeper}
spec:
  containers:
  - name: app
    image: busybox:1.36
    args: [/bin/sh, -c, touch /tmp/healthy; sleep 30; rm -f /tmp/healthy; sleep 600]
    livenessProbe: {exec: {command: [cat, /tmp/healthy]}, initialDelaySeconds: 5, periodSeconds: 5}
";
    // Its shell is number 1 and does not hear SIGTERM: it takes the 30 s of grace to stop it.
    check(
        95,
        manifest,
        "",
        &[
            "first event(pod(keeper), Unhealthy, 'Liveness probe failed: cat*/tmp/healthy*') between 30s and 37s",
            "first event(pod(keeper), Killing) between 40s and 50s",
            "first container(keeper/app).restarts == 1 between 70s and 80s",
            "eventually container(keeper/app).lastState.exitCode == 137",
        ],
    );
}

#[test]
fn an_event_that_has_gone_is_made_anew_and_counts_on() {
    let manifest = pod("m", "busybox", &["sleep", "4000"], "");
    let simulation = played(4100, &manifest);
    let left = simulation.cluster().objects(Kind::Event);
    let counts = |reason: &str| -> Vec<u32> {
        let count = |event: &Object| match event {
            Object::Event(event) if event.reason == reason => Some(event.count),
            _ => None,
        };
        left.iter().filter_map(count).collect()
    };
    assert_eq!((counts("Started"), counts("Scheduled")), (vec![2], vec![]), "{left:?}");
    // Whoever has watched all the time knows one event, not two.
    let told = simulation.events().filter(|event| event.reason == "Started");
    assert_eq!(told.map(|event| event.count).collect::<Vec<_>>(), [2]);
}

#[test]
fn commands_end_as_they_do_in_reality() {
    let never = "restartPolicy: Never,";
    let manifest = [
        pod("done", "busybox", &["sh", "-c", "sleep 2; exit 0"], never),
        pod("failed", "debian", &["bash", "-c", "exit 42"], never),
        pod("missing", "busybox", &["no-such-program"], never),
        pod("told", "alpine", &["sh", "-c", "echo gone > /dev/termination-log; exit 3"], never),
        pod("environment", "busybox", &["sh", "-c", "test $KUBERNETES_PORT = tcp://10.96.0.1:443"], never),
        pod("page", "perl", &["perl", "-e", "print 1"], never),
    ]
    .concat();
    check(
        60,
        &manifest,
        "",
        &[
            "pod(done).phase == Succeeded",
            "container(failed/app).exitCode == 42",
            "container(missing/app).reason == StartError",
            "event(pod(missing), Failed, '*executable file not found in $PATH*')",
            "container(told/app).exitCode == 3",
            "pod(environment).phase == Succeeded",
            "pod(page).phase == Succeeded",
        ],
    );
}

#[test]
fn termination_messages_are_read_from_a_file_or_the_log_and_cut() {
    let ended = |name: &str, count: usize, more: &str, script: &str| {
        let one = |n| format!("{{name: c{n}, image: busybox, {more} command: [sh, -c, '{script}']}}");
        let containers: Vec<String> = (0..count).map(one).collect();
        let spec = format!("restartPolicy: Never, containers: [{}]", containers.join(", "));
        format!("{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{{spec}}}}}\n---\n")
    };
    let log = "terminationMessagePolicy: FallbackToLogsOnError,";
    let manifest = [
        ended("failed", 1, log, "echo hello; echo fatal; exit 3"),
        ended("fine", 1, log, "echo hello"),
        ended("file", 1, "", "echo fatal; exit 3"),
        ended("both", 1, log, "echo fatal; echo why > /dev/termination-log; exit 3"),
        ended("path", 1, "terminationMessagePath: /tmp/why,", "echo why > /tmp/why; exit 3"),
        ended("lines", 1, log, "seq 1 100; exit 3"),
        ended("chatty", 1, log, "for n in $(seq 70); do echo a line of forty letters, more or less so; done; exit 3"),
        ended("long", 1, "", "seq 1 3000 > /dev/termination-log; exit 3"),
        ended("many", 4, "", "seq 1 3000 > /dev/termination-log; exit 3"),
    ]
    .concat();
    let pods = played(60, &manifest).cluster().objects(Kind::Pod);
    let message = |name: &str| {
        let pod = pods.iter().filter_map(|object| object.pod()).find(|pod| pod.meta.name == name).expect("it is kept");
        pod.status.containers[0].state.terminated().expect("it has ended").message.to_string()
    };
    for (name, said) in [("failed", "hello\nfatal\n"), ("fine", ""), ("file", ""), ("both", "why\n"), ("path", "why\n")]
    {
        assert_eq!(message(name), said, "{name}");
    }
    assert!(message("lines").starts_with("21\n"), "{}", message("lines"));
    assert_eq!(["chatty", "long", "many"].map(|name| message(name).len()), [2048, 4096, 3072]);
}

#[test]
fn containers_share_volumes() {
    let manifest = "
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {mode: fast}}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  volumes: [{name: pages, emptyDir: {}}, {name: settings, configMap: {name: settings}}]
  initContainers:
  - name: configured
    image: busybox
    command: [sh, -c, test $(cat /settings/mode) = fast]
    volumeMounts: [{name: settings, mountPath: /settings}]
  containers:
  - name: server
    image: nginx
    ports: [{containerPort: 80}]
    readinessProbe: {httpGet: {path: /news.html, port: 80}, periodSeconds: 1}
    volumeMounts: [{name: pages, mountPath: /usr/share/nginx/html}]
  - name: writer
    image: debian
    command: [sh, -c, sleep 10; echo news > /pages/news.html; sleep 3600]
    volumeMounts: [{name: pages, mountPath: /pages}]
";
    check(
        30,
        manifest,
        "",
        &[
            "container(web/configured).exitCode == 0",
            "first event(pod(web), Unhealthy, '*statuscode: 404') between 0s and 5s",
            "at 9s: not pod(web).ready",
            "eventually pod(web).ready from 10s until 14s",
        ],
    );
}

#[test]
fn containers_of_a_pod_share_its_network() {
    let manifest = "
apiVersion: v1
kind: Pod
metadata: {name: pair}
spec:
  containers:
  - {name: first, image: nginx}
  - {name: second, image: 'nginx:1.27'}
---
apiVersion: v1
kind: Pod
metadata: {name: neighbours}
spec:
  containers:
  - {name: server, image: redis}
  - {name: client, image: busybox, command: [sh, -c, 'until nc -z localhost 6379; do sleep 1; done; exec sleep 3600']}
";
    check(
        60,
        manifest,
        "",
        &[
            "container(pair/first).restarts == 0",
            "container(pair/second).restarts >= 2",
            "container(neighbours/client).restarts == 0",
            "eventually pod(neighbours).ready",
        ],
    );
}

#[test]
fn a_wait_for_a_service_ends_when_it_is_there() {
    let manifest = pod(
        "asker",
        "busybox",
        &["sh", "-c", "sleep 3600"],
        "initContainers: [{name: wait, image: busybox, \
        command: [sh, -c, 'until nslookup db.default.svc.cluster.local; do sleep 2; done']}],",
    );
    let service = "actions: [(at: \"20s\", do: Apply(Inline(\"{apiVersion: v1, kind: Service, metadata: {name: db}, \
                   spec: {ports: [{port: 80}]}}\")))],";
    check(
        40,
        &manifest,
        service,
        &["at 19s: container(asker/wait).state == Running", "eventually pod(asker).ready from 20s until 28s"],
    );
}

#[test]
fn memory_beyond_the_limit_ends_a_container() {
    let manifest = "
apiVersion: v1
kind: Pod
metadata: {name: hungry}
spec:
  containers:
  - name: app
    image: polinux/stress
    resources: {limits: {memory: 100Mi}}
    command: [stress]
    args: [--vm, '1', --vm-bytes, 250M, --vm-hang, '1']
";
    check(
        20,
        manifest,
        "",
        &[
            "eventually container(hungry/app).reason == OOMKilled",
            "eventually container(hungry/app).lastState.exitCode == 137",
        ],
    );
}

#[test]
fn a_script_uses_what_the_program_that_it_becomes_uses_from_then_on() {
    let mebi = 1 << 20;
    for (script, memory) in [
        ("sleep 30; exec stress --cpu 2 --vm 1 --vm-bytes 64M", 64 * mebi),
        // What a shell waits for is a process beside the shell.
        ("sleep 30; stress --cpu 2 --vm 1 --vm-bytes 64M; true", 65 * mebi),
    ] {
        let simulation = played(90, &pod("busy", "polinux/stress", &["sh", "-c", script], ""));
        let runtimes = simulation.cluster().runtimes();
        let node = NodeIndex(0);
        let key = runtimes.machine(node).snapshots()[0].key;
        let between = |since, until| {
            let window = (SimTime::from_secs(since), SimTime::from_secs(until));
            let used = runtimes.pod_use(node, key, window, SimDuration::ZERO).expect("it runs");
            (used.containers[0].nano_cpu, used.containers[0].memory)
        };
        assert_eq!(between(15, 25).0, 0, "{script}");
        assert_eq!(between(50, 90), (2_000_000_000, memory), "{script}");
    }
}

#[test]
fn of_files_of_one_path_a_projected_volume_shows_the_last() {
    // projected.go (`collectData`).
    let (map, secret) = ("{configMap: {name: cfg}}", "{secret: {name: sec}}");
    for (sources, phase) in [([map, secret], "Succeeded"), ([secret, map], "Failed")] {
        let manifest = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: cfg}}, data: {{a: from-map}}}}
---
{{apiVersion: v1, kind: Secret, metadata: {{name: sec}}, stringData: {{a: from-secret}}}}
---
{{apiVersion: v1, kind: Pod, metadata: {{name: reader}}, spec: {{restartPolicy: Never, containers: [
  {{name: app, image: busybox, command: [grep, from-secret, /v/a], volumeMounts: [{{name: v, mountPath: /v}}]}}],
  volumes: [{{name: v, projected: {{sources: [{}]}}}}]}}}}
",
            sources.join(", ")
        );
        let simulation = played(30, &manifest);
        let pod = simulation.pod("default", "reader").expect("it was created");
        assert_eq!(pod.status.phase.to_string(), phase, "{sources:?}");
    }
}

#[test]
fn number_one_does_not_hear_what_it_has_no_handler_for() {
    let manifest = [
        pod("deaf", "busybox", &["sleep", "3600"], ""),
        pod("sharing", "busybox", &["sleep", "3600"], "shareProcessNamespace: true,"),
        pod("trapping", "bash", &["bash", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"], ""),
        pod("server", "nginx", &[], ""),
        pod("node", "node", &["node", "server.js"], ""),
        pod("node-below", "node", &["tini", "--", "node", "server.js"], ""),
        pod("no-init", "busybox", &["tini", "--", "sleep", "1"], ""),
    ]
    .concat();
    let delete = |name| format!("(at: \"10s\", do: Delete(object: \"pod/{name}\"))");
    let actions = ["deaf", "sharing", "trapping", "server", "node", "node-below"].map(delete).join(", ");
    check(
        50,
        &manifest,
        &format!("actions: [{actions}],"),
        &[
            "at 39s: pod(deaf)",
            "at 43s: not pod(deaf)",
            "at 13s: not pod(sharing)",
            "at 14s: not pod(trapping)",
            "at 13s: not pod(server)",
            "at 39s: pod(node)",
            "at 13s: not pod(node-below)",
            "first event(pod(no-init), Failed, '*tini*executable file not found in $PATH*') between 1s and 10s",
        ],
    );
}

#[test]
fn programs_take_the_stop_signal_as_their_languages_do() {
    let deadline = "activeDeadlineSeconds: 5, terminationGracePeriodSeconds: 2,";
    let shared = format!("{deadline} shareProcessNamespace: true,");
    let go = "registry.k8s.io/e2e-test-images/agnhost:2.53";
    let cases: [(&str, &str, &str, &str, u8); 19] = [
        ("go", go, "/agnhost netexec", deadline, 2),
        ("go-shared", go, "/agnhost netexec", &shared, 143),
        ("go-below", go, "tini -- /agnhost netexec", deadline, 143),
        ("java", "eclipse-temurin:21", "java -jar /app.jar", deadline, 143),
        ("node", "node:22", "node server.js", deadline, 137),
        ("node-shared", "node:22", "node server.js", &shared, 143),
        ("npm", "node:22", "npm start", deadline, 1),
        ("python", "python:3", "python app.py", deadline, 137),
        ("django", "python:3", "python manage.py runserver 0.0.0.0:8000", deadline, 0),
        ("gunicorn", "python:3", "gunicorn app:app", deadline, 0),
        ("uvicorn", "python:3", "uvicorn app:app --port 80", deadline, 0),
        ("uvicorn-below", "python:3", "dumb-init uvicorn app:app --port 80", deadline, 143),
        ("uwsgi", "python:3", "uwsgi --http :80", deadline, 137),
        ("ruby", "ruby:3", "ruby app.rb", deadline, 1),
        ("ruby-below", "ruby:3", "tini -- bundle exec puma", deadline, 143),
        ("dotnet", "mcr.microsoft.com/dotnet/aspnet:9.0", "dotnet app.dll", deadline, 0),
        ("php", "php:8", "php -S 0.0.0.0:80", deadline, 137),
        ("nginx", "nginx", "", deadline, 0),
        ("redis", "redis", "", deadline, 0),
    ];
    let manifest = cases.map(|(name, image, line, spec, _)| {
        pod(name, image, &line.split_whitespace().collect::<Vec<_>>(), &format!("restartPolicy: Always, {spec}"))
    });
    let expect = cases.map(|(name, .., code)| format!("container({name}/app).exitCode == {code}"));
    check(30, &manifest.concat(), "", &expect.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn shells_wait_for_an_input_that_stays_open() {
    let open = |name: &str, image: &str, more: &str| {
        let app = format!("{{name: app, image: {image}, {more}}}");
        format!("{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{containers: [{app}]}}}}\n---\n")
    };
    let images = ["busybox", "ubuntu", "alpine", "python:3", "node:22", "perl"];
    let mut manifest = String::new();
    let mut expect = Vec::new();
    for image in images {
        let name = image.split(':').next().unwrap();
        manifest += &[
            open(&format!("{name}-none"), image, ""),
            open(&format!("{name}-stdin"), image, "stdin: true, stdinOnce: true, tty: true"),
            open(&format!("{name}-tty"), image, "tty: true"),
        ]
        .concat();
        expect.push(format!("container({name}-none/app).restarts > 1"));
        expect.push(format!("eventually container({name}-none/app).lastState.exitCode == 0"));
        expect.push(format!("container({name}-stdin/app).restarts == 0 and pod({name}-stdin).ready"));
        expect.push(format!("container({name}-tty/app).restarts == 0 and pod({name}-tty).ready"));
    }
    manifest += &open("cat", "busybox", "stdin: true, command: [sh, -c, 'cat; exit 1']");
    manifest += &open("read", "busybox", "command: [sh, -c, 'read line; exit 3']");
    expect.push("container(cat/app).restarts == 0".to_owned());
    expect.push("eventually container(read/app).lastState.exitCode == 3".to_owned());
    check(60, &manifest, "", &expect.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_program_that_nobody_described_ends_unless_it_is_always_started_again() {
    let never = "restartPolicy: Never,";
    let serves = "--http=:8080";
    let init = "initContainers: [{name: init, image: example.com/shop, command: [sh, -c, ./migrate.sh up]}],";
    let manifest = [
        pod("run", "example.com/shop", &["sh", "-c", "./manage.py migrate && echo done"], never),
        pod("exec", "example.com/shop", &["sh", "-c", "exec ./manage.py migrate"], never),
        pod("dump", "postgres", &["sh", "-c", "pg_dump shop > /tmp/dump"], never),
        pod("script", "python", &["python", "/app/main.py"], never),
        pod("node", "example.com/shop", &["node", "migrate.js"], never),
        pod("unplayed", "busybox", &["sh", "-c", "gpg() { :; }; split -b 1 /etc/passwd"], never),
        pod("server", "python", &["sh", "-c", "pip install flask; python app.py", serves], ""),
        pod("gunicorn", "python", &["gunicorn", "app:app", serves], ""),
        pod("unplayed-server", "busybox", &["sh", "-c", "crond -f"], ""),
        pod("initialized", "example.com/shop", &[], init),
    ]
    .concat();
    check(
        60,
        &manifest,
        "",
        &[
            "first pod(run).phase == Succeeded between 10s and 20s",
            "first pod(exec).phase == Succeeded between 10s and 20s",
            "first pod(dump).phase == Succeeded between 10s and 20s",
            "first pod(script).phase == Succeeded between 10s and 20s",
            "first pod(node).phase == Succeeded between 10s and 20s",
            "first pod(unplayed).phase == Succeeded between 10s and 20s",
            "container(server/app).restarts == 0",
            "pod(server).ready",
            "container(gunicorn/app).restarts == 0",
            "pod(gunicorn).ready",
            "container(unplayed-server/app).restarts == 0",
            "pod(unplayed-server).ready",
            "first pod(initialized).ready between 2s and 10s",
        ],
    );
}

#[test]
fn a_port_is_taken_only_by_a_program_that_is_known_to_have_it() {
    let manifest = "
apiVersion: v1
kind: Pod
metadata: {name: probed}
spec:
  containers:
  - name: app
    image: example.com/shop
    ports: [{containerPort: 8080}]
  - name: proxy
    image: example.com/proxy
    args: [--admin-address=x, --health-probe-bind-address=127.0.0.1:9901, --secure-port=8443]
    livenessProbe: {httpGet: {port: 8080}, periodSeconds: 2}
    startupProbe: {httpGet: {port: 8443, scheme: HTTPS}}
    readinessProbe: {exec: {command: [nc, -z, 127.0.0.1, '9901']}}
---
apiVersion: v1
kind: Pod
metadata: {name: twice}
spec:
  containers: [{name: first, image: redis}, {name: second, image: redis}]
";
    check(
        30,
        manifest,
        "",
        &[
            "pod(probed).ready",
            "container(probed/app).restarts == 0",
            "container(probed/proxy).restarts == 0",
            "container(twice/first).restarts == 0",
            "container(twice/second).lastState.exitCode == 1",
        ],
    );
}

#[test]
fn a_server_speaks_what_any_container_of_its_pod_asks_it_in() {
    let manifest = "
apiVersion: v1
kind: Pod
metadata: {name: router}
spec:
  containers:
  - name: main
    image: example.com/router
    startupProbe: {httpGet: {path: /livez, port: 9141, scheme: HTTPS}, periodSeconds: 5, failureThreshold: 3}
  - name: metrics
    image: example.com/exporter
    ports: [{containerPort: 9141}]
";
    check(60, manifest, "", &["never event(pod(router), Unhealthy)", "eventually pod(router).ready"]);
}

#[test]
fn clients_ask_the_server_that_they_are_told() {
    let service = |name: &str, port: u16| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{selector: {{app: {name}}}, ports: \
             [{{port: {port}}}]}}}}\n---\n"
        )
    };
    let never = "restartPolicy: Never,";
    let manifest = [
        service("db", 5432),
        service("cache", 6379),
        pod("db", "postgres", &["sh", "-c", "sleep 20; exec postgres"], ""),
        pod("cache", "redis", &[], ""),
        pod("waits", "postgres", &["sh", "-c", "until pg_isready -h db; do sleep 1; done"], never),
        pod("asks", "redis", &["redis-cli", "-h", "cache", "ping"], never),
        pod("reads", "redis", &["sh", "-c", "test \"$(redis-cli -u redis://cache ping)\" = PONG"], never),
        pod("fails", "postgres", &["pg_isready", "--host=nowhere"], never),
    ]
    .concat();
    check(
        60,
        &manifest,
        "",
        &[
            "first pod(waits).phase == Succeeded between 20s and 30s",
            "first pod(asks).phase == Succeeded between 0s and 10s",
            "pod(reads).phase == Succeeded",
            "container(fails/app).exitCode == 2",
        ],
    );
}

#[test]
fn a_probe_does_not_fail_for_what_nobody_knows() {
    let probed = |name: &str, image: &str, line: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{containers: [{{name: app, image: \
             {image}, \
             ports: [{{containerPort: 8500}}], livenessProbe: {{exec: {{command: [sh, -c, {line:?}]}}, periodSeconds: \
             2, failureThreshold: 1}}}}]}}}}\n---\n"
        )
    };
    let manifest = [
        probed("page", "example.com/consul", "curl -s http://127.0.0.1:8500/v1/status/leader | grep -E '\".+\"'"),
        probed("program", "example.com/worker", "celery inspect ping | grep -q OK"),
        probed("captured", "redis", "test \"$(redis-cli info replication)\" != ''"),
        probed("talk", "zookeeper", "[ \"$(echo ruok | nc -w 1 localhost 8500)\" = imok ]"),
        probed("refused", "example.com/consul", "curl -s http://127.0.0.1:8501/ | grep leader"),
    ]
    .concat();
    check(
        20,
        &manifest,
        "",
        &[
            "container(page/app).restarts == 0",
            "container(program/app).restarts == 0",
            "container(captured/app).restarts == 0",
            "container(talk/app).restarts == 0",
            "eventually container(refused/app).restarts >= 1",
        ],
    );
}

/// What the kubelet writes is root's, read-only, and has the modes that are asked for
/// (`pkg/volume/util/atomic_writer.go` and `SetVolumeOwnership` of `pkg/volume`, Kubernetes 1.36).
#[test]
fn files_of_volumes_have_owner_and_mode() {
    let pod = |name: &str, user: &str, volume: &str, command: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{restartPolicy: Never, securityContext: \
             {{{user}}}, volumes: [{{name: files, {volume}}}], containers: [{{name: app, image: busybox, command: \
             {command}, volumeMounts: [{{name: files, mountPath: /cfg}}]}}]}}}}\n---\n"
        )
    };
    let map = "configMap: {name: cfg}";
    let line = |line: &str| format!("[sh, -c, {line:?}]");
    let secret = |mode: &str| format!("secret: {{secretName: key, defaultMode: {mode}}}");
    let key = line("cat /cfg/id");
    let user = "runAsUser: 1000";
    let manifest = [
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: cfg}, data: {a.conf: x, run.sh: \"exit 7\"}}\n---\n"
            .to_owned(),
        "{apiVersion: v1, kind: Secret, metadata: {name: key}, stringData: {id: secret}}\n---\n".to_owned(),
        pod("plain", "", map, "[/cfg/run.sh]"),
        pod("inside", "", map, &line("/cfg/run.sh")),
        pod("by-shell", "", map, "[sh, /cfg/run.sh]"),
        pod("mode", "", "configMap: {name: cfg, defaultMode: 0755}", "[/cfg/run.sh]"),
        pod("item", "", "configMap: {name: cfg, items: [{key: run.sh, path: r, mode: 0555}]}", "[/cfg/r]"),
        pod("owner", user, "configMap: {name: cfg, defaultMode: 0700}", "[/cfg/run.sh]"),
        pod("write", "", map, &line("echo y > /cfg/a.conf || touch /cfg/new || rm /cfg/a.conf || exit 9")),
        pod("data", "", map, &line("cp /cfg/..data/* /tmp && ls /tmp | wc -l | grep -x 2 && echo y > /tmp/a.conf")),
        pod(
            "links",
            "",
            map,
            &line("readlink /cfg/a.conf | grep -x ..data/a.conf && test $(find /cfg -type f | wc -l) = 2"),
        ),
        pod("secret", user, &secret("0400"), &key),
        pod("secret-of-root", "", &secret("0400"), &key),
        pod("secret-group", user, &secret("0440"), &key),
        pod("secret-fs-group", "runAsUser: 1000, fsGroup: 2000", &secret("0400"), &key),
    ]
    .concat();
    check(
        20,
        &manifest,
        "",
        &[
            "container(plain/app).reason == StartError",
            "eventually event(pod(plain), Failed, '*exec: \"/cfg/run.sh\": permission denied*')",
            "container(inside/app).exitCode == 126",
            "container(by-shell/app).exitCode == 7",
            "container(mode/app).exitCode == 7",
            "container(item/app).exitCode == 7",
            "container(owner/app).reason == StartError",
            "container(write/app).exitCode == 9",
            "pod(data).phase == Succeeded",
            "pod(links).phase == Succeeded",
            "container(secret/app).exitCode == 1",
            "pod(secret-of-root).phase == Succeeded",
            "pod(secret-group).phase == Succeeded",
            "pod(secret-fs-group).phase == Succeeded",
        ],
    );
}

/// A ConfigMap that is deleted and made again: its files stay, mounting fails meanwhile (`RequiresRemount` of
/// `pkg/volume/configmap`), and the new content arrives.
#[test]
fn what_a_volume_shows_is_written_anew() {
    let manifest = "
{apiVersion: v1, kind: ConfigMap, metadata: {name: cfg}, data: {a: '1'}}
---
apiVersion: v1
kind: Pod
metadata: {name: reader}
spec:
  volumes: [{name: cfg, configMap: {name: cfg}}, {name: later, secret: {secretName: later, optional: true}}]
  containers:
  - name: app
    image: busybox
    command: [sh, -c, while ! grep -q 2 /cfg/a; do cat /cfg/a || exit 5; sleep 1; done]
    volumeMounts: [{name: cfg, mountPath: /cfg}]
  - name: later
    image: busybox
    command: [sh, -c, while ! test -e /later/a; do sleep 1; done]
    volumeMounts: [{name: later, mountPath: /later}]
  restartPolicy: OnFailure
";
    check(
        400,
        manifest,
        "actions: [(at: \"20s\", do: Delete(object: \"configmap/cfg\")), (at: \"150s\", do: Apply(Inline(\"{apiVersion: v1, \
         kind: ConfigMap, metadata: {name: cfg}, data: {a: '2'}}\"))), (at: \"30s\", do: Apply(Inline(\"{apiVersion: v1, \
         kind: Secret, metadata: {name: later}, stringData: {a: '2'}}\")))],",
        &[
            "first container(reader/later).reason == Completed between 30s and 122s",
            "first event(pod(reader), FailedMount, 'MountVolume.SetUp failed for volume \"cfg\" : configmap \"cfg\" not \
             found') between 20s and 112s",
            "first pod(reader).phase == Succeeded between 150s and 280s",
        ],
    );
}

/// The documentation of `subPath`: such a container does not get updates.
#[test]
fn a_file_that_is_mounted_alone_stays_as_it_is() {
    let manifest = "
{apiVersion: v1, kind: ConfigMap, metadata: {name: cfg}, data: {a: '1'}}
---
apiVersion: v1
kind: Pod
metadata: {name: reader}
spec:
  volumes: [{name: cfg, configMap: {name: cfg}}]
  containers:
  - name: whole
    image: busybox
    command: [sh, -c, while ! grep -q 2 /cfg/a; do sleep 1; done]
    volumeMounts: [{name: cfg, mountPath: /cfg}]
  - name: alone
    image: busybox
    command: [sh, -c, while ! grep -q 2 /cfg/a; do sleep 1; done]
    volumeMounts: [{name: cfg, mountPath: /cfg/a, subPath: a}]
  restartPolicy: OnFailure
";
    check(
        200,
        manifest,
        "actions: [(at: \"20s\", do: Apply(Inline(\"{apiVersion: v1, kind: ConfigMap, metadata: {name: cfg}, data: {a: \
         '2'}}\")))],",
        &[
            "first container(reader/whole).reason == Completed between 20s and 150s",
            "container(reader/alone).state == running",
        ],
    );
}

/// The shapes of MetalLB's, AKS Store's and "Kubernetes Patterns"' manifests, and of OPA's.
#[test]
fn files_that_only_an_unknown_image_has_are_taken_to_be_there() {
    let never = "restartPolicy: Never,";
    let probed = |name: &str, image: &str, command: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{containers: [{{name: app, image: \
             {image}, readinessProbe: {{exec: {{command: {command}}}}}}}]}}}}\n---\n"
        )
    };
    let arguments = |name: &str, args: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{volumes: [{{name: v, emptyDir: {{}}}}], \
             containers: [{{name: app, image: example.com/tool, args: {args}, volumeMounts: [{{name: v, mountPath: \
             /config}}]}}]}}}}\n---\n"
        )
    };
    let manifest = [
        pod("copies", "example.com/frr", &["sh", "-c", "cp -f /reloader.sh /opt/ && test -x /opt/reloader.sh"], never),
        "{apiVersion: v1, kind: Pod, metadata: {name: hands}, spec: {volumes: [{name: v, emptyDir: {}}], initContainers: \
         [{name: cp, image: example.com/frr, command: [cp, /metrics, /v/], volumeMounts: [{name: v, mountPath: /v}]}], \
         containers: [{name: app, image: busybox, command: [/v/metrics], volumeMounts: [{name: v, mountPath: \
         /v}]}]}}\n---\n"
            .to_owned(),
        pod("tests", "example.com/frr", &["sh", "-c", "[ -f /reloader.sh ] || exit 3"], never),
        pod("own", "example.com/frr", &["sh", "-c", "cat /tmp/mine"], never),
        pod("known", "busybox", &["sh", "-c", "cp /reloader.sh /opt/"], never),
        probed("made", "example.com/random", "[stat, /tmp/ready]"),
        probed("asked", "example.com/random", "[sh, -c, test -e /tmp/ready]"),
        probed("process", "nginx", "[cat, /proc/1/status]"),
        probed("nginx", "nginx", "[cat, /tmp/ready]"),
        arguments("directory", "[/config]"),
        arguments("run", "[run, --server]"),
    ]
    .concat();
    check(
        40,
        &manifest,
        "",
        &[
            "pod(copies).phase == Succeeded",
            "pod(hands).phase == Running",
            "container(tests/app).exitCode == 3",
            "container(own/app).exitCode == 1",
            "container(known/app).exitCode == 1",
            "pod(made).ready",
            "pod(asked).ready",
            "pod(process).ready",
            "not pod(nginx).ready",
            "pod(directory).phase == Running",
            "pod(run).phase == Running",
        ],
    );
}

#[test]
fn images_have_the_files_and_programs_that_nobody_lists() {
    let never = "restartPolicy: Never,";
    let line = |name: &str, image: &str, line: &str| pod(name, image, &["sh", "-c", line], never);
    let manifest = [
        pod("start", "example.com/shop", &["sh", "/app/start.sh"], never),
        line("sources", "example.com/shop", ". /venv/bin/activate && ./migrate"),
        line("packages", "alpine", "apk add --no-cache curl && echo ok"),
        line("debian", "debian", "apt-get update && apt-get install -y curl"),
        line("settings", "busybox", "echo 1 > /proc/sys/net/ipv4/ip_forward && echo never > /sys/kernel/mm/x"),
        line("known", "busybox", "cat /etc/hosts /etc/resolv.conf && grep -q MemTotal /proc/meminfo"),
        line("archive", "busybox", "tar czf /tmp/x.tgz /etc && flock /tmp/lock -c 'exit 0'"),
        line("configured", "nginx", "envsubst < /etc/nginx/nginx.conf > /tmp/nginx.conf && nginx -t"),
        line("missing", "busybox", "sh /app/start.sh"),
    ]
    .concat();
    let names = ["start", "sources", "packages", "debian", "settings", "known", "archive", "configured"];
    let expect: Vec<String> = names.iter().map(|name| format!("pod({name}).phase == Succeeded")).collect();
    let mut expect: Vec<&str> = expect.iter().map(String::as_str).collect();
    expect.push("container(missing/app).exitCode == 2");
    check(60, &manifest, "", &expect);
}

#[test]
fn images_are_what_they_are() {
    let manifest = "
apiVersion: v1
kind: Pod
metadata: {name: etcd}
spec:
  containers:
  - name: app
    image: registry.k8s.io/etcd:3.5.21-0
    command: [etcd, --listen-metrics-urls=http://0.0.0.0:2381]
    startupProbe: {httpGet: {path: /readyz, port: 2381}, periodSeconds: 1}
    readinessProbe: {httpGet: {path: /health, port: 2379}, periodSeconds: 1}
    livenessProbe: {grpc: {port: 2379}, periodSeconds: 1, failureThreshold: 1, initialDelaySeconds: 2}
---
apiVersion: v1
kind: Pod
metadata: {name: hello}
spec: {restartPolicy: Never, containers: [{name: app, image: hello-world}]}
---
apiVersion: v1
kind: Pod
metadata: {name: asks}
spec: {restartPolicy: Never, containers: [{name: app, image: curlimages/curl, args: [-sf, 'https://example.com']}]}
";
    check(
        20,
        manifest,
        "",
        &[
            "pod(etcd).ready",
            "container(etcd/app).restarts == 0",
            "pod(hello).phase == Succeeded",
            "pod(asks).phase == Succeeded",
        ],
    );
}

#[test]
fn a_database_wants_a_password_for_its_first_start() {
    let db = |name: &str, image: &str, env: &str, more: &str| {
        let policy = "terminationMessagePolicy: FallbackToLogsOnError";
        let mounts = "volumeMounts: [{name: data, mountPath: /var/lib}, {name: secret, mountPath: /run/secrets}]";
        let env = env.split_whitespace().filter_map(|word| word.split_once('='));
        let env: Vec<String> = env.map(|(name, value)| format!("{{name: {name}, value: '{value}'}}")).collect();
        let app = format!("{{name: app, image: '{image}', {policy}, {mounts}, env: [{}], {more}}}", env.join(", "));
        let volumes = "volumes: [{name: data, emptyDir: {}}, {name: secret, secret: {secretName: db}}]";
        let fills = "{name: fills, image: busybox, command: [sh, -c, 'mkdir -p /d/mysql/mysql'], \
                     volumeMounts: [{name: data, mountPath: /d}]}";
        let init = if name == "filled" { fills } else { "" };
        let spec = format!("restartPolicy: Never, {volumes}, initContainers: [{init}], containers: [{app}]");
        format!("{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{{spec}}}}}\n---\n")
    };
    let manifest = [
        "{apiVersion: v1, kind: Secret, metadata: {name: db}, stringData: {password: secret}}\n---\n".to_owned(),
        db("bare-pg", "postgres:16", "", ""),
        db("bare-mysql", "mysql:8.4", "MYSQL_ROOT_PASSWORD=", ""),
        db("bare-mariadb", "mariadb", "", "args: [--skip-log-bin]"),
        db("no-trust", "postgres:16", "POSTGRES_HOST_AUTH_METHOD=md5", ""),
        db("no-file", "postgres:16", "POSTGRES_PASSWORD_FILE=/run/secrets/none", ""),
        db("pg", "postgres:16", "POSTGRES_PASSWORD=x", ""),
        db("trust", "postgres:16", "POSTGRES_HOST_AUTH_METHOD=trust", ""),
        db("file", "postgres:16", "POSTGRES_PASSWORD_FILE=/run/secrets/password", ""),
        db("mariadb", "mariadb", "MYSQL_ALLOW_EMPTY_PASSWORD=yes", ""),
        db("wrapped", "mysql:8.4", "", "command: [sh, -c, docker-entrypoint.sh mysqld]"),
        db("filled", "mysql:8.4", "", "readinessProbe: {tcpSocket: {port: 3306}, periodSeconds: 1}"),
        db(
            "empty",
            "mysql:8.4",
            "MYSQL_ROOT_PASSWORD=x",
            "readinessProbe: {tcpSocket: {port: 3306}, periodSeconds: 1}",
        ),
    ]
    .concat();
    let pods = played(30, &manifest).cluster().objects(Kind::Pod);
    let status = |name: &str| {
        let pod = pods.iter().filter_map(|object| object.pod()).find(|pod| pod.meta.name == name).expect("it is kept");
        pod.status.clone()
    };
    for (name, words) in [
        ("bare-pg", "\n\nSee PostgreSQL documentation about \"trust\":"),
        ("bare-mysql", "[ERROR] [Entrypoint]: Database is uninitialized and password option is not specified\n    You"),
        ("bare-mariadb", "\n\tYou need to specify one of MARIADB_ROOT_PASSWORD, MARIADB_ROOT_PASSWORD_HASH, "),
        ("no-trust", "superuser password is not specified"),
        ("no-file", "superuser password is not specified"),
        ("wrapped", "    - MYSQL_RANDOM_ROOT_PASSWORD"),
    ] {
        let status = status(name);
        let ended = status.containers[0].state.terminated().unwrap_or_else(|| panic!("{name} runs"));
        let plain = ended.message.replace("       ", "");
        assert!(ended.exit_code == 1 && plain.contains(words), "{name}: {ended:?}");
    }
    for name in ["pg", "trust", "file", "mariadb", "filled", "empty"] {
        assert!(status(name).containers[0].state.terminated().is_none(), "{name} has ended");
    }
    let ready = ["first pod(filled).ready between 1s and 7s", "first pod(empty).ready between 8s and 20s"];
    check(30, &manifest, "", &ready);
}

#[test]
fn small_servers_listen_where_they_are_told() {
    let probed = |name: &str, image: &str, script: &str, probe: &str| {
        let probe = format!("readinessProbe: {{{probe}, periodSeconds: 1}}");
        let app = format!("{{name: app, image: {image}, command: [sh, -c, '{script}'], {probe}}}");
        let meta = format!("{{name: {name}, labels: {{app: {name}}}}}");
        format!("{{apiVersion: v1, kind: Pod, metadata: {meta}, spec: {{containers: [{app}]}}}}\n---\n")
    };
    let get = |port: u16, path: &str| format!("httpGet: {{port: {port}, path: {path}}}");
    let tcp = |port: u16| format!("tcpSocket: {{port: {port}}}");
    let said = r#"while true; do printf "HTTP/1.1 200 OK\r\n\r\nhi" | nc -l -p 8080; done"#;
    let manifest = [
        probed("page", "busybox", "mkdir /www; echo hi > /www/a; exec httpd -f -p 8080 -h /www", &get(8080, "/a")),
        probed("no-page", "busybox", "httpd -f -p 0.0.0.0:8080 -h /tmp", &get(8080, "/b")),
        probed("daemon", "busybox", "httpd -p 8080; sleep 3600", &tcp(8080)),
        probed("gone", "busybox", "httpd -p 8080", &tcp(8080)),
        probed("once", "busybox", "nc -l -p 8080", &tcp(8080)),
        probed("stays", "busybox", "nc -lk -p 8080 -e true", &tcp(8080)),
        probed("said", "busybox", said, &get(8080, "/")),
        probed("mute", "busybox", "while true; do nc -lp 8080; done", &get(8080, "/")),
        probed("python", "python:3", "cd /tmp; python3 -m http.server 9000", &get(9000, "/")),
        probed("python-usual", "python:3", "python -m http.server", &tcp(8000)),
        probed("python-elsewhere", "python:3", "python -m http.server 8080", &tcp(8000)),
        probed("python-no-file", "python:3", "python -m http.server 8080", &get(8080, "/healthz")),
    ]
    .concat();
    check(
        40,
        &manifest,
        "",
        &[
            "pod(page).ready",
            "pod(daemon).ready",
            "pod(stays).ready",
            "pod(python).ready",
            "pod(python-usual).ready",
            "eventually pod(said).ready",
            "container(said/app).restarts == 0",
            "container(mute/app).restarts == 0",
            "container(gone/app).restarts > 0",
            "container(once/app).restarts > 0",
            "eventually container(once/app).lastState.exitCode == 0",
            "first event(pod(no-page), Unhealthy, '*statuscode: 404') between 0s and 20s",
            "first event(pod(mute), Unhealthy, '*EOF*') between 0s and 20s",
            "first event(pod(python-elsewhere), Unhealthy, '*connection refused*') between 0s and 20s",
            "first event(pod(python-no-file), Unhealthy, '*statuscode: 404') between 0s and 20s",
        ],
    );
}

#[test]
fn a_container_knows_its_name_and_address() {
    let never = "restartPolicy: Never,";
    let aliases = "restartPolicy: Never, subdomain: sub, hostAliases: [{ip: 10.1.2.3, hostnames: [foo, foo.local]}],";
    let host = "restartPolicy: Never, hostNetwork: true,";
    let is = |left: &str, right: &str| format!("test \"$({left})\" = \"$({right})\"");
    let (long, cut) = (format!("{}-{}", "a".repeat(62), "b".repeat(9)), "a".repeat(62));
    let script = |checks: &[String]| checks.join(" && ").replace('"', "\\\"");
    let named = script(&[
        is("cat /etc/hostname", "echo $HOSTNAME"),
        is("tail -1 /etc/hosts", "printf \"$(hostname -i)\\tnamed\""),
        is("head -1 /etc/resolv.conf", "echo search default.svc.cluster.local svc.cluster.local cluster.local"),
        "echo 10.0.0.1 db >> /etc/hosts".to_owned(),
        is("wc -l < /etc/hosts", "echo 9"),
        is("tail -1 /etc/hosts", "echo 10.0.0.1 db"),
    ]);
    let aliased = script(&[
        is("tail -1 /etc/hosts", "printf \"10.1.2.3\\tfoo\\tfoo.local\""),
        is("grep aliased /etc/hosts", "printf \"$(hostname -i)\\taliased.sub.default.svc.cluster.local\\taliased\""),
        is("ping -c 1 foo.local | head -1", "echo \"PING foo.local (10.1.2.3): 56 data bytes\""),
        is("cat /etc/hostname", "hostname"),
    ]);
    let cut = script(&[is("hostname", &format!("echo {cut}")), is("hostname", "echo $HOSTNAME")]);
    let hosted = script(&[is("hostname", "echo node-1"), is("cat /etc/hostname", "echo $HOSTNAME")]);
    let run = |name: &str, script: &str, more: &str| {
        let app = format!(
            "{{name: app, image: busybox, command: [sh, -c, \"{}\"]}}",
            script.replace('\\', "\\\\").replace("\\\\\"", "\\\"")
        );
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{{more} containers: [{app}]}}}}\n---\n"
        )
    };
    let manifest = [
        run("named", &named, never),
        run("aliased", &aliased, aliases),
        run(&long, &cut, never),
        run("hosted", &hosted, host),
    ]
    .concat();
    let long = format!("pod({long}).phase == Succeeded");
    let expect = ["named", "aliased", "hosted"].map(|name| format!("pod({name}).phase == Succeeded"));
    let expect: Vec<&str> = expect.iter().map(String::as_str).chain([long.as_str()]).collect();
    check(30, &manifest, "", &expect);
}

#[test]
fn servers_of_the_table_listen_start_and_stop_as_their_images_do() {
    let deadline = "activeDeadlineSeconds: 40, terminationGracePeriodSeconds: 5,";
    let image = |name: &str, image: &str, port: u16, more: &str| {
        let script = format!("until nc -z localhost {port}; do sleep 1; done; exit 7");
        let asks = format!("{{name: asks, image: busybox, command: [sh, -c, '{script}']}}");
        let app = format!("{{name: app, image: {image}, {more}}}");
        let spec = format!("{deadline} restartPolicy: Never, containers: [{app}, {asks}]");
        format!("{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{{spec}}}}}\n---\n")
    };
    let cases: [(&str, &str, u16, &str, u64, u8); 9] = [
        ("tomcat", "tomcat:11", 8080, "", 2, 143),
        ("jenkins", "jenkins/jenkins:lts", 8080, "", 20, 143),
        ("elasticsearch", "docker.elastic.co/elasticsearch/elasticsearch:9.0.0", 9200, "", 20, 143),
        ("prometheus", "quay.io/prometheus/prometheus", 9091, "args: [--web.listen-address=0.0.0.0:9091]", 0, 0),
        ("http-echo", "hashicorp/http-echo", 8080, "args: ['-text=a', '-listen=:8080']", 0, 2),
        ("whoami", "traefik/whoami", 80, "", 0, 2),
        ("haproxy", "haproxy", 8404, "ports: [{containerPort: 8404}]", 0, 0),
        ("bitnami", "bitnami/mysql", 3306, "env: [{name: ALLOW_EMPTY_PASSWORD, value: 'yes'}]", 8, 0),
        ("adminer", "adminer", 8080, "", 0, 137),
    ];
    let manifest = cases.map(|(name, from, port, more, ..)| image(name, from, port, more)).concat();
    let expect: Vec<String> = cases
        .into_iter()
        .flat_map(|(name, _, _, _, ready, code)| {
            [
                format!("first container({name}/asks).exitCode == 7 between {ready}s and {}s", ready + 8),
                format!("container({name}/app).exitCode == {code}"),
            ]
        })
        .collect();
    check(60, &manifest, "", &expect.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn programs_that_only_have_the_name_of_a_utility_are_not_played() {
    // The shape of Calico's manifests, and of those that set up machines through `nsenter`.
    let manifest = "
apiVersion: v1
kind: Pod
metadata: {name: agent}
spec:
  hostNetwork: true
  hostPID: true
  initContainers:
  - {name: install, image: 'docker.io/calico/cni:v3.30.0', command: [/opt/cni/bin/install]}
  - {name: machine, image: alpine, command: [nsenter, --mount=/proc/1/ns/mnt, --, bash, -c, apt-get install -y nfs-common]}
  containers:
  - name: app
    image: docker.io/calico/node:v3.30.0
    livenessProbe: {exec: {command: [/bin/calico-node, -felix-live]}}
    readinessProbe: {httpGet: {host: localhost, path: /readiness, port: 9099}}
";
    check(60, manifest, "", &["eventually pod(agent).ready", "container(agent/app).restarts == 0"]);
}

/// What scripts write counts (`localStorageEviction`; volumes are measured each minute, the loop turns each 10 s); what
/// lies in memory is the memory of whoever wrote it.
#[test]
fn what_scripts_write_takes_room() {
    let pod = |name: &str, volume: &str, resources: &str, line: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{restartPolicy: Never, volumes: [{{name: d, \
             emptyDir: {{{volume}}}}}], containers: [{{name: app, image: busybox, command: [sh, -c, {line:?}], resources: \
             {{{resources}}}, volumeMounts: [{{name: d, mountPath: /d}}]}}]}}}}\n---\n"
        )
    };
    let fill = |to: &str| format!("sleep 5; dd if=/dev/zero of={to} bs=1M count=20; sleep 3600");
    let storage = "limits: {ephemeral-storage: 10Mi}";
    let manifest = [
        pod("volume", "sizeLimit: 10Mi", "", &fill("/d/x")),
        pod("container", "", storage, &fill("/x")),
        pod("pod", "", storage, &fill("/d/x")),
        pod("fits", "sizeLimit: 30Mi", "limits: {ephemeral-storage: 30Mi}", &fill("/d/x")),
        pod("removed", "sizeLimit: 10Mi", "", "dd if=/dev/zero of=/d/x bs=1M count=20; rm /d/x; sleep 3600"),
        pod("chatty", "", storage, "while true; do head -c 100000 /dev/zero | tr '\\\\0' x; echo; sleep 0.1; done"),
        pod("memory", "medium: Memory", "limits: {memory: 16Mi}", &fill("/d/x")),
    ]
    .concat();
    check(
        180,
        &manifest,
        "",
        &[
            "eventually event(pod(volume), Evicted, 'Usage of EmptyDir volume \"d\" exceeds the limit \"10Mi\". ')",
            "first event(pod(container), Evicted, 'Pod ephemeral local storage usage exceeds the total limit of containers \
             10Mi. ') between 5s and 21s",
            "eventually event(pod(pod), Evicted, 'Pod ephemeral local storage usage exceeds the total limit of containers \
             10Mi. ')",
            "eventually event(pod(chatty), Evicted, 'Pod ephemeral local storage usage*')",
            "pod(fits).phase == Running",
            "pod(removed).phase == Running",
            "eventually container(memory/app).reason == OOMKilled",
        ],
    );
}

/// A container's processes as its scripts and the commands that are sent into it see them.
#[test]
fn processes_are_seen_and_signalled() {
    let never = "restartPolicy: Never,";
    let line = |name: &str, image: &str, line: &str| pod(name, image, &["sh", "-c", line], never);
    let probed = |name: &str, probe: &str, line: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{restartPolicy: Never, containers: [{{name: \
             app, image: busybox, command: [sh, -c, {line:?}], {probe}: {{exec: {{command: [sh, -c, 'pgrep sleep || exit \
             1; pgrep -f while && kill -0 1 && pkill {name}; true']}}, periodSeconds: 1, failureThreshold: 1}}}}]}}}}\n---\n"
        )
    };
    let manifest = [
        line("first", "busybox", "sleep 100 & ps | grep -q '1 root .*sh -c sleep 100'"),
        line("count", "busybox", "sleep 100 & test $(ps | wc -l) = 6 && test $(pgrep sleep | wc -l) = 1"),
        line("itself", "busybox", "pgrep -f nothing-else | grep -x 1"),
        line("program", "nginx", "nginx & sleep 1; test $(pgrep nginx | wc -l) = 1 && kill $! && wait"),
        probed("sleeps", "readinessProbe", "while true; do sleep 5; done"),
        probed("sleep", "readinessProbe", "sleep 1000; exit 3"),
    ]
    .concat();
    check(
        30,
        &manifest,
        "",
        &[
            "pod(first).phase == Succeeded",
            "pod(count).phase == Succeeded",
            "pod(itself).phase == Succeeded",
            "pod(program).phase == Succeeded",
            "pod(sleeps).ready",
            "container(sleep/app).exitCode == 3",
        ],
    );
}

/// The documentation's "Configure a Security Context", tokens in volumes, and what images let others than root do.
#[test]
fn users_are_who_they_are() {
    let pod = |name: &str, image: &str, user: &str, volume: &str, command: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{restartPolicy: Never, securityContext: \
             {{{user}}}, volumes: [{{name: v, {volume}}}], containers: [{{name: app, image: {image}, {command} \
             volumeMounts: [{{name: v, mountPath: /v}}]}}]}}}}\n---\n"
        )
    };
    let line = |line: &str| format!("command: [sh, -c, {line:?}],");
    let (empty, user) = ("emptyDir: {}", "runAsUser: 1000");
    let groups = "runAsUser: 1000, runAsGroup: 3000, fsGroup: 2000, supplementalGroups: [4000]";
    let token = "projected: {sources: [{serviceAccountToken: {path: vault-token, audience: vault}}]}";
    let writes =
        line("! touch /root/x && ! echo x > /etc/x && ! mkdir /data && touch /tmp/x /v/x && echo y >> /dev/null");
    let cached = "[{name: app, image: nginx, volumeMounts: [{name: v, mountPath: /var/cache/nginx}, {name: v, mountPath: \
                  /var/run}]}]";
    let manifest = [
        pod("docs", "busybox:1.28", groups, empty, &line("id | grep -x 'uid=1000 gid=3000 groups=2000,3000,4000'")),
        pod("root", "busybox", "", empty, &line("id | grep -x 'uid=0(root) gid=0(root) groups=0(root)' && touch /root/x")),
        pod("listed", "busybox", user, empty, &line("ps | grep '1 1000 ' && grep -q ^root: /etc/passwd")),
        pod("writes", "alpine", user, empty, &writes),
        pod("token", "busybox", user, token, &line("test $(wc -c < /v/vault-token) -gt 100")),
        pod("limits", "busybox", "", empty, &line("grep -x max /sys/fs/cgroup/memory.max")),
        pod("server", "nginx:1.27", user, empty, ""),
        pod("as-root", "nginx:1.27", "", empty, ""),
        pod("of-others", "ghcr.io/shop/nginx", user, empty, ""),
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: cached}}, spec: {{securityContext: {{{user}}}, volumes: [{{name: \
             v, {empty}}}], containers: {cached}}}}}\n"
        ),
    ]
    .concat();
    let mut expect: Vec<String> = ["docs", "root", "listed", "writes", "token", "limits"]
        .iter()
        .map(|name| format!("pod({name}).phase == Succeeded"))
        .collect();
    expect.push("container(server/app).exitCode == 1".to_owned());
    expect.extend(["as-root", "of-others", "cached"].iter().map(|name| format!("pod({name}).phase == Running")));
    let expect: Vec<&str> = expect.iter().map(String::as_str).collect();
    check(20, &manifest, "", &expect);
}

/// A disk that a script has filled is free again once the pod's volumes are removed; the pressure is held for five
/// minutes more (`PressureTransitionPeriod`).
#[test]
fn a_full_disk_is_free_again_when_its_pod_is_gone() {
    let manifest = "
apiVersion: v1
kind: Pod
metadata: {name: fat}
spec:
  volumes: [{name: d, emptyDir: {}}]
  containers:
  - name: app
    image: busybox
    command: [sh, -c, sleep 20; dd if=/dev/zero of=/d/big bs=1G count=85; sleep 3600]
    volumeMounts: [{name: d, mountPath: /d}]
";
    check(
        480,
        manifest,
        "actions: [(at: \"1m\", do: Create(Inline(\"{apiVersion: v1, kind: Pod, metadata: {name: late}, spec: {containers: \
         [{name: app, image: nginx}]}}\")))],",
        &[
            "first event(pod(fat), Evicted, 'The node was low on resource: ephemeral-storage*') between 20s and 55s",
            "eventually event(pod(late), FailedScheduling)",
            "first event(pod(late), Scheduled) between 5m10s and 6m10s",
        ],
    );
}
