//! Stories of single fields: what a manifest says has the effect that it has in a cluster, and without it nothing is
//! so.

mod story;

use podsim::api::{Kind, Name, Part, PatchKind, Request, Response, Server, Target, WallClock, WallTime, lower, render};
use podsim::engine::{Draws, SimTime};
use serde_json::{Value, json};

/// Plays a manifest for so many seconds and holds it to its expectations; `rest` are more fields of the scenario.
fn check(seconds: u64, manifest: &str, rest: &str, expect: &[&str]) {
    story::check(&[1], seconds, manifest, rest, expect);
}

/// What the first container of each of some pods said at its end, after so many seconds.
fn last_words<const N: usize>(seconds: u64, manifest: &str, rest: &str, pods: [&str; N]) -> [String; N] {
    let mut simulation = story::scenario(seconds, manifest, rest).simulate(1);
    simulation.run();
    let objects = simulation.cluster().objects(Kind::Pod);
    pods.map(|name| {
        let pod = objects.iter().filter_map(|object| object.pod()).find(|pod| pod.meta.name == name);
        let pod = pod.unwrap_or_else(|| panic!("{name} is not there"));
        let ended = pod.status.containers[0].state.terminated();
        ended.unwrap_or_else(|| panic!("{name}: {:?}", pod.status.containers[0].state)).message.to_string()
    })
}

/// What people are told to have no effect.
fn idle(manifest: &str) -> Vec<String> {
    story::scenario(1, manifest, "").notes.no_effect.into_iter().collect()
}

/// A pod whose only container runs a script and ends.
fn script(name: &str, script: &str, container: &str, pod: &str) -> String {
    let script = script.replace('\'', "''");
    format!(
        "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{restartPolicy: Never, {pod} containers: \
         [{{name: app, image: busybox, {container} command: [sh, -c, '{script}']}}]}}}}\n"
    )
}

#[test]
fn pods_go_on_using_an_immutable_object_that_is_gone() {
    // `Get` and `DeleteReference` of pkg/kubelet/util/manager/watch_based_manager.go.
    for (immutable, seen) in [(true, "old"), (false, "new")] {
        let map = |text| {
            let data = format!("immutable: {immutable}, data: {{a: {text}}}");
            format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: cfg}}, {data}}}")
        };
        let variable = "env: [{name: A, valueFrom: {configMapKeyRef: {name: cfg, key: a}}}],";
        let pod = |name: &str| script(name, "sleep 5; echo $A > /dev/termination-log", variable, "");
        // While the first pod is there, a second sees what it sees; a third comes after both.
        let waits = script("one", "sleep 120", variable, "");
        let rest = format!(
            "actions: [(at: \"30s\", do: Delete(object: \"configmap/cfg\")),
                (at: \"40s\", do: Apply(Inline(r#\"{}\"#))), (at: \"60s\", do: Apply(Inline(r#\"{}\"#))),
                (at: \"3m\", do: Delete(object: \"pod/one\")), (at: \"3m\", do: Delete(object: \"pod/two\")),
                (at: \"5m\", do: Apply(Inline(r#\"{}\"#)))],",
            map("new"),
            pod("two"),
            pod("three"),
        );
        let manifest = map("old") + "\n" + &waits;
        let two = rest.split("(at: \"3m\"").next().expect("a start").to_owned() + "],";
        assert_eq!(last_words(120, &manifest, &two, ["two"]), [format!("{seen}\n")], "{immutable}");
        assert_eq!(last_words(360, &manifest, &rest, ["three"]), ["new\n"], "{immutable}");
    }
}

#[test]
fn what_is_immutable_refuses_changes() {
    // pkg/apis/core/validation/validation.go (`ValidateConfigMapUpdate`, `ValidateSecretUpdate`).
    for kind in [Kind::ConfigMap, Kind::Secret] {
        let object = json!({"apiVersion": "v1", "kind": kind.as_str(), "metadata": {"name": "o"},
            "data": {"a": "eA=="}, "immutable": true});
        let mut server = server(&[object]);
        for (change, field) in [
            (json!({"data": {"a": "eQ=="}}), "data"),
            (json!({"immutable": false}), "immutable"),
            (json!({"metadata": {"labels": {"a": "b"}}}), ""),
        ] {
            let said = patch(&mut server, kind, "o", Part::Main, change);
            let refused = said.err().map(|error| error.to_string()).unwrap_or_default();
            let why = format!("{field}: Forbidden: field is immutable when `immutable` is set");
            assert!(if field.is_empty() { refused.is_empty() } else { refused.ends_with(&why) }, "{kind:?}: {refused}");
        }
    }
}

#[test]
fn a_volume_in_memory_is_memory_and_not_disk() {
    // pkg/kubelet/eviction/helpers.go (`localVolumeNames`); a tmpfs is charged to whoever writes into it, and takes no
    // more than its size.
    for (medium, reason) in [("medium: Memory", "OOMKilled"), ("medium: Memory, sizeLimit: 50Mi", ""), ("", "")] {
        let volume = format!("volumes: [{{name: v, emptyDir: {{{medium}}}}}],");
        let container = "resources: {limits: {memory: 100Mi}}, volumeMounts: [{name: v, mountPath: /v}],";
        let manifest = script("full", "sleep 600", container, &volume);
        let rest =
            r#"faults: [(fault: DiskFill(into: EmptyDir("v"), per_minute: "60Mi"), on: (pods: "full"), at: "30s")],"#;
        let expect = match reason {
            "" => "never pod(full).phase == Failed until 200s",
            _ => "first container(full/app).reason == OOMKilled between 120s and 135s",
        };
        check(200, &manifest, rest, &[expect]);
    }
}

#[test]
fn a_read_only_root_takes_no_writes_but_in_volumes() {
    // busybox ash and coreutils name the error of the system call, EROFS.
    let read_only = "securityContext: {readOnlyRootFilesystem: true}, volumeMounts: [{name: v, mountPath: /v}],";
    let volume = "volumes: [{name: v, emptyDir: {}}],";
    let run =
        |name: &str, line: &str| script(name, &format!("{line} 2> /dev/termination-log; exit 0"), read_only, volume);
    let manifest = [
        run("redirect", "sh -c 'echo x > /x'"),
        run("touch", "touch /tmp/x"),
        run("mkdir", "mkdir /d"),
        run("fine", "echo x > /v/x; echo 10.0.0.1 db >> /etc/hosts; echo x > /dev/shm/x"),
        script(
            "hook",
            "sleep 20",
            &format!("{read_only} lifecycle: {{postStart: {{exec: {{command: [touch, /x]}}}}}},"),
            volume,
        ),
    ]
    .concat();
    let said = last_words(60, &manifest, "", ["redirect", "touch", "mkdir", "fine"]);
    let expected = [
        "sh: can't create /x: Read-only file system\n",
        "touch: /tmp/x: Read-only file system\n",
        "mkdir: can't create directory '/d': Read-only file system\n",
        "",
    ];
    assert_eq!(said, expected);
    let nginx = |name: &str, mounts: &str| {
        format!(
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{{volume} containers: [{{name: app, \
             image: nginx, securityContext: {{readOnlyRootFilesystem: true}}, {mounts}}}]}}}}\n"
        )
    };
    let manifest = [
        manifest,
        nginx("nowhere", "terminationMessagePolicy: FallbackToLogsOnError"),
        nginx("somewhere", "volumeMounts: [{name: v, mountPath: /var/cache/nginx}, {name: v, mountPath: /run}]"),
    ];
    let expect = [
        "eventually event(pod(hook), FailedPostStartHook)",
        "eventually container(nowhere/app).reason == CrashLoopBackOff",
        "container(nowhere/app).lastState.exitCode == 1",
        "container(somewhere/app).ready",
    ];
    check(60, &manifest.concat(), "", &expect);
}

#[test]
fn a_download_that_cannot_be_kept_tells_what_the_server_said_before() {
    // busybox networking/wget.c: headers are read and told by `download_one_url`, the file is opened after that.
    let web = "
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, labels: {app: web}}, spec: {containers: [{name: web, image: nginx}]}}
";
    let ask = "sleep 8; wget -S http://web > /dev/termination-log 2>&1; exit 0";
    let ask = script("ask", ask, "securityContext: {readOnlyRootFilesystem: true},", "");
    let [said] = last_words(30, &format!("{web}{ask}"), "", ["ask"]);
    let lines: Vec<&str> = said.lines().skip(1).collect();
    assert_eq!(lines, ["  HTTP/1.1 200 OK", "wget: can't open 'index.html': Read-only file system"]);
}

#[test]
fn containers_are_told_of_the_services_of_their_namespace() {
    // pkg/kubelet/kubelet_pods.go (`getServiceEnvVarMap`, `makeEnvironmentVariables`).
    let services = "
{apiVersion: v1, kind: Service, metadata: {name: my-db}, spec: {clusterIP: 10.96.7.7, ports: [{port: 5432}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: bare}, spec: {clusterIP: None, ports: [{port: 80}]}}
";
    let say = "echo $KUBERNETES_SERVICE_HOST $MY_DB_PORT_5432_TCP $BARE_SERVICE_HOST $A > /dev/termination-log";
    let refers =
        "env: [{name: MY_DB_SERVICE_PORT, value: x}, {name: A, value: $(MY_DB_SERVICE_HOST)-$(MY_DB_SERVICE_PORT)}],";
    let manifest = [
        services.to_owned(),
        script("told", say, refers, ""),
        script("plain", say, refers, "enableServiceLinks: false,"),
    ]
    .concat();
    // A kubelet that starts anew knows of Services as before; and what is gone is no longer told of.
    let [again, late] = ["again", "late"].map(|name| script(name, say, refers, ""));
    let rest = format!(
        "faults: [(fault: KubeletCrash, on: (nodes: \"node-1\"), at: \"15s\", lasts: \"1s\")], actions: [(at: \"25s\", \
         do: Apply(Inline(r#\"{again}\"#))), (at: \"40s\", do: Delete(object: \"service/my-db\")), (at: \"45s\", \
         do: Apply(Inline(r#\"{late}\"#)))],"
    );
    let (known, unknown) = ("10.96.0.1 tcp://10.96.7.7:5432 10.96.7.7-x\n", "10.96.0.1 $(MY_DB_SERVICE_HOST)-x\n");
    let said = last_words(70, &manifest, &rest, ["told", "plain", "again", "late"]);
    assert_eq!(said, [known, unknown, known, unknown]);
}

#[test]
fn a_part_of_the_machine_is_what_a_pod_says_that_it_is() {
    // pkg/volume/hostpath/host_path.go (`checkType`). (the path, the type, why it cannot be mounted)
    let cases = [
        ("/no/such", "Directory", "hostPath /no/such doesn't exist"),
        ("/etc/hosts", "Directory", "hostPath type check failed: /etc/hosts is not a directory, it's a File"),
        ("/no/such", "FileOrCreate", "open /no/such: no such file or directory"),
        ("/var/run/docker.sock", "Socket", "hostPath /var/run/docker.sock doesn't exist"),
        ("/var/run/containerd/containerd.sock", "Socket", ""),
        (
            "/dev/sda",
            "CharDevice",
            "hostPath type check failed: /dev/sda is not a character device, it's a BlockDevice",
        ),
        ("/dev/kmsg", "CharDevice", ""),
        ("/var/log", "Directory", ""),
        ("/data/new", "DirectoryOrCreate", ""),
        ("/var/lib/new", "FileOrCreate", ""),
        ("/any", "''", ""),
    ];
    let pod = |place: usize, (path, kind, _): (&str, &str, &str)| {
        let volume = format!("volumes: [{{name: v, hostPath: {{path: {path}, type: {kind}}}}}],");
        script(&format!("p{place}"), "true", "volumeMounts: [{name: v, mountPath: /v}],", &volume)
    };
    let manifest: String = cases.into_iter().enumerate().map(|(place, case)| pod(place, case)).collect();
    let expect: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(place, (_, _, why))| match *why {
            "" => format!("eventually pod(p{place}).phase == Succeeded"),
            why => format!(
                "eventually event(pod(p{place}), FailedMount, 'MountVolume.SetUp failed for volume \"v\" : {}')",
                why.replace('\'', "?")
            ),
        })
        .collect();
    check(60, &manifest, "", &expect.iter().map(String::as_str).collect::<Vec<_>>());
    // What one pod leaves there another finds, by whatever way it looks; and who waits for it goes on then.
    let host = |path: &str, kind: &str| format!("volumes: [{{name: v, hostPath: {{path: {path}, type: {kind}}}}}],");
    let mount = "volumeMounts: [{name: v, mountPath: /v}],";
    let manifest = script("waits", "cat /v > /dev/termination-log", mount, &host("/data/out/x", "File"));
    let writes = script("writes", "mkdir /v/out; echo hello > /v/out/x", mount, &host("/data", "DirectoryOrCreate"));
    let rest = format!("actions: [(at: \"30s\", do: Apply(Inline(r#\"{writes}\"#)))],");
    assert_eq!(last_words(90, &manifest, &rest, ["waits"]), ["hello\n"]);
    // So is what a PersistentVolume is, of each machine its own.
    let claimed = |name: &str, path: &str, kind: &str| {
        format!(
            "---
{{apiVersion: v1, kind: PersistentVolume, metadata: {{name: pv-{name}}}, spec: {{capacity: {{storage: 1Gi}},
  accessModes: [ReadWriteMany], storageClassName: {name}, hostPath: {{path: {path}, type: {kind}}}}}}}
---
{{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{name: {name}}}, spec: {{storageClassName: {name},
  accessModes: [ReadWriteMany], resources: {{requests: {{storage: 1Gi}}}}}}}}
"
        )
    };
    let uses = |claim: &str| format!("volumes: [{{name: v, persistentVolumeClaim: {{claimName: {claim}}}}}],");
    let manifest = [
        claimed("whole", "/data", "DirectoryOrCreate"),
        claimed("none", "/no/such", "Directory"),
        script("one", "echo hello > /v/x", mount, &uses("whole")),
        script("two", "sleep 20; cat /v/x > /dev/termination-log", mount, &host("/data", "DirectoryOrCreate")),
        script("three", "true", mount, &uses("none")),
    ]
    .concat();
    let why =
        "eventually event(pod(three), FailedMount, 'MountVolume.SetUp failed for volume \"pv-none\" : hostPath *')";
    check(60, &manifest, "", &["pod(one).phase == Succeeded", why]);
    assert_eq!(last_words(60, &manifest, "", ["two"]), ["hello\n"]);
    // It is there after a restart of the machine, unless the disk is lost.
    for (disk, expected) in [("Kept", "pod(late).phase == Succeeded"), ("Lost", "pod(late).phase == Pending")] {
        let late = script("late", "true", mount, &host("/data/out", "Directory"));
        let rest = format!(
            "faults: [(fault: Reboot(disk: {disk}), on: (nodes: \"node-1\"), at: \"60s\", lasts: \"10s\")], actions: [(at: \
             \"4m\", do: Apply(Inline(r#\"{late}\"#)))],"
        );
        check(300, &writes, &rest, &["at 30s: pod(writes).phase == Succeeded", expected]);
    }
}

#[test]
fn a_client_stays_with_its_endpoint_if_the_service_says_so() {
    // pkg/proxy/iptables/proxier.go (`writeServiceToEndpointRules`).
    let web = |name: &str, more: &str| {
        let script = "mkdir /www; hostname > /www/index.html; httpd -f -p 80 -h /www";
        let container = format!("{{name: app, image: busybox, command: [sh, -c, '{script}']}}");
        format!(
            "---
{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}}}, spec: {{replicas: 4, selector: {{matchLabels:
  {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{containers: [{container}]}}}}}}}}
---
{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{selector: {{app: {name}}}, ports: [{{port: 80}}],
  {more}}}}}
"
        )
    };
    let asks = |who: &str| {
        let all = format!("sleep 30; for i in $(seq 30); do wget -q -O - http://{who}; done");
        format!("{all} | sort -u | wc -l > /dev/termination-log")
    };
    let manifest = [
        web("sticky", "sessionAffinity: ClientIP"),
        web("loose", ""),
        script("one", &asks("sticky"), "", ""),
        script("two", &asks("loose"), "", ""),
    ]
    .concat();
    let said = last_words(90, &manifest, "", ["one", "two"]);
    assert_eq!(said, ["1\n", "4\n"]);
}

#[test]
fn a_service_that_stands_for_a_name_has_its_addresses() {
    // CoreDNS' plugin/kubernetes (`Services`): a CNAME, which is followed.
    let external = |name: &str, target: &str| {
        format!(
            "---\n{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{type: ExternalName, externalName: {target}}}}}\n"
        )
    };
    let ask = |name: &str| format!("nslookup {name} | tail -3 | tr -d '\\n' > /dev/termination-log");
    let manifest = [
        "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: 10.96.7.7, ports: [{port: 80}]}}\n"
            .to_owned(),
        external("inner", "web.default.svc.cluster.local"),
        external("outer", "example.com"),
        external("lost", "db.corp.internal"),
        external("around", "around.default.svc.cluster.local"),
        script("in", &ask("inner"), "", ""),
        script("out", &ask("outer"), "", ""),
        script("gone", &ask("lost"), "", ""),
        script("loop", &ask("around"), "", ""),
    ]
    .concat();
    let [inner, outer, lost, around] = last_words(60, &manifest, "", ["in", "out", "gone", "loop"]);
    assert!(inner.contains("10.96.7.7"), "{inner}");
    assert!(outer.contains("example.com") && outer.contains("203.0.113."), "{outer}");
    assert!(lost.contains("NXDOMAIN"), "{lost}");
    assert!(around.contains("NXDOMAIN"), "{around}");
}

/// A server with these objects in its namespace `default`.
fn server(objects: &[Value]) -> Server {
    let mut server = Server::new(WallClock::starting_at(WallTime::default()), Draws::new(1));
    server.ensure_namespace(SimTime::ZERO, Name::new("default"));
    for object in objects {
        let object = lower(object).unwrap_or_else(|error| panic!("{error}")).object;
        server.serve(SimTime::ZERO, Request::Create(object)).unwrap_or_else(|error| panic!("{error}"));
    }
    server
}

/// Patches an object.
fn patch(server: &mut Server, kind: Kind, name: &str, part: Part, patch: Value) -> Response {
    let namespace = Name::new(if kind.is_namespaced() { "default" } else { "" });
    let target = Target { kind, namespace, name: Name::new(name) };
    server.serve(SimTime::ZERO, Request::Patch { target, part, kind: PatchKind::Strategic, patch })
}

#[test]
fn a_claim_grows_only_if_its_class_says_so() {
    // plugin/pkg/admission/storage/persistentvolume/resize/admission.go (`Validate`).
    let why = "persistentvolumeclaims \"c\" is forbidden: only dynamically provisioned pvc can be resized and the \
               storageclass that provisions the pvc must support resize";
    for (class, claimed, size, refused) in [
        (json!({"allowVolumeExpansion": true}), "s", "2Gi", None),
        (json!({"allowVolumeExpansion": false}), "s", "2Gi", Some(why)),
        (json!({}), "s", "2Gi", Some(why)),
        (json!({}), "s", "1Gi", None),
        (json!({"allowVolumeExpansion": true}), "", "2Gi", Some(why)),
        (json!({"allowVolumeExpansion": true}), "other", "2Gi", Some(why)),
    ] {
        let mut storage_class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": "s"}, "provisioner": "p"});
        storage_class.as_object_mut().expect("an object").extend(class.as_object().expect("an object").clone());
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": claimed, "volumeName": "v",
            "resources": {"requests": {"storage": "1Gi"}}}});
        let mut server = server(&[storage_class, claim]);
        let bound = json!({"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}});
        patch(&mut server, Kind::PersistentVolumeClaim, "c", Part::Status, bound).expect("a status");
        let grown = json!({"spec": {"resources": {"requests": {"storage": size}}}});
        let said = patch(&mut server, Kind::PersistentVolumeClaim, "c", Part::Main, grown);
        assert_eq!(said.err().map(|error| error.to_string()).as_deref(), refused, "{class} {claimed} {size}");
    }
}

#[test]
fn a_resize_is_charged_to_quotas() {
    // staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go (`CheckRequest`);
    // pkg/quota/v1/evaluator/core/pods.go (`Handles`, `PodUsageFunc`).
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"},
        "spec": {"hard": {"requests.cpu": "1", "pods": "5"}}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [
        {"name": "c", "image": "i", "resources": {"requests": {"cpu": "400m"}}}]}});
    let mut server = server(&[quota, pod]);
    let used = |server: &Server| {
        let quotas = server.store().list(Kind::ResourceQuota);
        render(&quotas[0])["status"]["used"]["requests.cpu"].clone()
    };
    assert_eq!(used(&server), "400m");
    let resize = |server: &mut Server, cpu: &str| {
        let more = json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}});
        patch(server, Kind::Pod, "p", Part::Resize, more).err().map(|error| error.to_string())
    };
    let why = "pods \"p\" is forbidden: exceeded quota: q, requested: requests.cpu=700m, used: requests.cpu=400m, \
               limited: requests.cpu=1";
    assert_eq!(resize(&mut server, "1100m").as_deref(), Some(why));
    assert_eq!((resize(&mut server, "900m"), used(&server)), (None, json!("900m")));
    assert_eq!((resize(&mut server, "300m"), used(&server)), (None, json!("300m")));
}

#[test]
fn what_pod_security_reads_has_an_effect_where_a_standard_is_enforced() {
    let pod = |namespace: &str| {
        format!(
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: p, namespace: {namespace}}}, spec: {{hostPID: true, \
             containers: [{{name: c, image: i, stdinOnce: true, securityContext: {{privileged: true}}}}]}}}}\n"
        )
    };
    let namespace = |name: &str, labels: &str| {
        format!("---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{{labels}}}}}}}\n")
    };
    let enforce = |level: &str| format!("pod-security.kubernetes.io/enforce: {level}");
    let always = "Pod.spec.containers[].stdinOnce";
    let all = [always, "Pod.spec.containers[].securityContext.privileged", "Pod.spec.hostPID"];
    for (labels, told) in [
        (String::new(), &all[..]),
        (enforce("privileged"), &all),
        (enforce("baseline"), &all[..1]),
        (enforce("restricted"), &all[..1]),
    ] {
        // The namespace may come after its pods.
        let mut found = idle(&(pod("shop") + &namespace("shop", &labels)));
        found.sort_by_key(|field| all.iter().position(|one| one == field));
        assert_eq!(found, told, "{labels}");
    }
    assert_eq!(idle(&(pod("other") + &namespace("shop", &enforce("baseline")))).len(), 3);
}

#[test]
fn the_servers_own_service_comes_back() {
    // pkg/controlplane/controller/kubernetesservice/controller.go (`UpdateKubernetesService`), every ten seconds.
    let rest = r#"actions: [(at: "30s", do: Delete(object: "service/kubernetes")),
        (at: "60s", do: Delete(object: "endpointslice/kubernetes"))],"#;
    let expect = [
        "always service(kubernetes) until 30s",
        "eventually not service(kubernetes) from 30s until 32s",
        "always service(kubernetes) from 41s",
        "service(kubernetes).spec.clusterIP == '10.96.0.1'",
        "count(endpointslices(*)) == 1",
    ];
    check(90, "", rest, &expect);
}

#[test]
fn a_machine_is_called_what_its_pod_says() {
    // pkg/kubelet/kubelet_pods.go (`GeneratePodHostNameAndDomain`), pkg/kubelet/util/util.go (`GetNodenameForKernel`).
    let say = "(hostname; hostname -f; hostname -s; echo $HOSTNAME; cat /etc/hostname; tail -1 /etc/hosts | cut -f2-; \
               getent hosts $(hostname) | wc -l) | tr '\\n' ' ' > /dev/termination-log";
    let domain = "web.default.svc.cluster.local";
    let long = "a".repeat(40);
    let manifest = [
        script("plain", say, "", ""),
        script("named", say, "", "hostname: h, subdomain: web,"),
        script("full", say, "", "subdomain: web, setHostnameAsFQDN: true,"),
        script("alone", say, "", "setHostnameAsFQDN: true,"),
        script("over", say, "", "hostname: h, subdomain: web, hostnameOverride: db.example.com,"),
        script("long", say, "", &format!("hostname: {long}, subdomain: web, setHostnameAsFQDN: true,")),
    ]
    .concat();
    let said = last_words(60, &manifest, "", ["plain", "named", "full", "alone", "over"]);
    let full = format!("full.{domain}");
    assert_eq!(
        said,
        [
            "plain plain plain plain plain plain 1 ".to_owned(),
            format!("h h.{domain} h h h h.{domain}\th 1 "),
            format!("{full} {full} full {full} {full} {full}\tfull 1 "),
            "alone alone alone alone alone alone 1 ".to_owned(),
            "db.example.com db.example.com db db.example.com db.example.com db.example.com 1 ".to_owned(),
        ]
    );
    let why = format!(
        "Failed to create pod sandbox: failed to construct FQDN from pod hostname and cluster domain, FQDN {long}.{domain} \
         is too long (64 characters is the max, 70 characters requested)"
    );
    let told = format!("eventually event(pod(long), FailedCreatePodSandBox, '{why}')");
    check(60, &manifest, "", &[&told, "always pod(long).phase == Pending from 1s"]);
    assert_eq!(idle(&manifest), Vec::<String>::new());
}

#[test]
fn a_resolver_asks_whom_its_pod_says() {
    // pkg/kubelet/network/dns/dns.go (`GetPodDNS`, `formDNSConfigFitsLimits`).
    let service =
        "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: 10.96.7.7, ports: [{port: 80}]}}\n";
    let say = "(cat /etc/resolv.conf; for name in web web.default.svc.cluster.local example.com; do nslookup $name > /tmp/x \
               && echo yes || echo no; done; date +%s) | tr '\\n' ' ' > /dev/termination-log";
    let none = |rest: &str| format!("dnsPolicy: None, dnsConfig: {{nameservers: {rest}}},");
    let manifest = [
        service.to_owned(),
        script("plain", say, "", ""),
        script("host", say, "", "dnsPolicy: Default,"),
        script("shared", say, "", "hostNetwork: true,"),
        script("both", say, "", "hostNetwork: true, dnsPolicy: ClusterFirstWithHostNet,"),
        script(
            "own",
            say,
            "",
            &none("[10.96.0.10], searches: [default.svc.cluster.local], options: [{name: ndots, value: '1'}]"),
        ),
        script("away", say, "", &none("[8.8.8.8]")),
        script("silent", say, "", &none("[10.9.9.9, 10.96.0.10]")),
        script("none", say, "", &none("[10.9.9.9]")),
    ]
    .concat();
    let names = ["plain", "host", "shared", "both", "own", "away", "silent", "none"];
    let said = last_words(120, &manifest, "", names);
    let all = "search default.svc.cluster.local svc.cluster.local cluster.local nameserver 10.96.0.10 options ndots:5";
    let starts = [
        &format!("{all} yes yes yes "),
        "nameserver 192.0.2.53 no no yes ",
        "nameserver 192.0.2.53 no no yes ",
        &format!("{all} yes yes yes "),
        "search default.svc.cluster.local nameserver 10.96.0.10 options ndots:1 yes yes yes ",
        "nameserver 8.8.8.8 no no yes ",
        "nameserver 10.9.9.9 nameserver 10.96.0.10 no yes yes ",
        "nameserver 10.9.9.9 no no no ",
    ];
    let seconds = |said: &str| said.trim().rsplit(' ').next().and_then(|n| n.parse::<i64>().ok()).expect("a time");
    for ((name, said), start) in names.into_iter().zip(&said).zip(starts) {
        assert!(said.starts_with(start), "{name}: {said}");
    }
    // A name server that says nothing is waited for, five seconds and ten in all.
    assert!(seconds(&said[6]) - seconds(&said[0]) >= 15, "{said:?}");
    assert!(seconds(&said[7]) - seconds(&said[0]) >= 30, "{said:?}");

    let many = "dnsConfig: {nameservers: [1.1.1.1, 1.1.1.2, 1.1.1.3]},";
    let manifest = script("many", "grep -c nameserver /etc/resolv.conf > /dev/termination-log; sleep 60", "", many);
    let told = "eventually event(pod(many), DNSConfigForming, 'Nameserver limits were exceeded, some nameservers have been \
                omitted, the applied nameserver line is: 10.96.0.10 1.1.1.1 1.1.1.2') within 10s";
    check(30, &manifest, "", &[told]);
    assert_eq!(last_words(90, &manifest, "", ["many"]), ["3\n"]);
    assert_eq!(idle(&manifest), Vec::<String>::new());
}

#[test]
fn what_no_gate_lets_in_is_dropped() {
    // pkg/api/pod/util.go (`dropDisabledFields`): ContainerStopSignals is off by default.
    let spec = |hooks: Value| {
        json!({"containers": [{"name": "c", "image": "i", "lifecycle": hooks}], "initContainers": [{"name": "d",
            "image": "i", "restartPolicy": "Always", "lifecycle": hooks}]})
    };
    let alone = spec(json!({"stopSignal": "SIGUSR1"}));
    let both = spec(json!({"stopSignal": "SIGUSR1", "preStop": {"sleep": {"seconds": 1}}}));
    for (spec, kept) in [(alone, Value::Null), (both, json!({"preStop": {"sleep": {"seconds": 1}}}))] {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec});
        let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": spec});
        let set = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}});
        let lowered = lower(&pod).unwrap_or_else(|error| panic!("{error}"));
        // People are told all the same.
        assert!(lowered.no_effect.contains(&"spec.containers[].lifecycle.stopSignal".to_owned()));
        let server = server(&[pod, set]);
        for (kind, path) in [(Kind::Pod, "/spec"), (Kind::Deployment, "/spec/template/spec")] {
            let stored = render(&server.store().list(kind)[0]);
            let stored = stored.pointer(path).expect("a spec");
            for list in ["containers", "initContainers"] {
                assert_eq!(stored[list][0]["lifecycle"], kept, "{kind:?} {list}");
            }
        }
    }
}

#[test]
fn a_volume_shows_nothing_of_what_no_gate_lets_in() {
    // pkg/api/pod/util.go (`dropDisabledClusterTrustBundleProjection`, `dropDisabledPodCertificateProjection`).
    let bundle = "clusterTrustBundle: {name: x, path: bundle.pem}";
    let certificate = "podCertificate: {signerName: a.b/c, keyType: ED25519, credentialBundlePath: c.pem}";
    let own = "downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}";
    let volume =
        format!("volumes: [{{name: v, projected: {{sources: [{{{bundle}}}, {{{certificate}}}, {{{own}}}]}}}}],");
    let mount = "volumeMounts: [{name: v, mountPath: /v}],";
    let manifest = script("p", "ls /v > /dev/termination-log", mount, &volume);
    assert_eq!(last_words(30, &manifest, "", ["p"]), ["name\n"]);
    let told = idle(&manifest);
    for field in ["clusterTrustBundle", "podCertificate"] {
        assert!(told.contains(&format!("Pod.spec.volumes[].projected.sources[].{field}")), "{told:?}");
    }
    let source = |source: Value| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c",
            "image": "i"}], "volumes": [{"name": "v", "projected": {"sources": [source]}}]}})
    };
    let server = server(&[source(json!({"clusterTrustBundle": {"name": "x", "path": "b"}}))]);
    let stored = render(&server.store().list(Kind::Pod)[0]);
    assert_eq!(stored["spec"]["volumes"][0]["projected"]["sources"], json!([{}]));
}

#[test]
fn a_variable_comes_from_a_file_that_an_init_container_wrote() {
    // pkg/kubelet/kubelet_pods.go (`makeEnvironmentVariables`), pkg/kubelet/util/env/env_util.go (`ParseEnv`).
    let pod = |name: &str, line: &str, reference: &str, mounts: &str| {
        let line = line.replace('\'', "''");
        let init = format!(
            "initContainers: [{{name: init, image: busybox, {mounts} command: [sh, -c, '{line}']}}], volumes: [{{name: v, \
             emptyDir: {{}}}}],"
        );
        let env =
            format!("env: [{{name: A, valueFrom: {{fileKeyRef: {{volumeName: v, path: d/env, {reference}}}}}}}],");
        script(name, "echo \"$A-$(ls /v 2>&1)\" > /dev/termination-log", &env, &init)
    };
    let mounted = "volumeMounts: [{name: v, mountPath: /v}],";
    let write = |text: &str| format!("mkdir /v/d; printf \"{text}\" > /v/d/env");
    let manifest = [
        pod("plain", &write("\\n# so\\nB='y'\\nA='x z' # yes\\n"), "key: A", mounted),
        pod("lines", &write("A='one\\ntwo'\\n"), "key: A", mounted),
        pod("optional", &write("B='y'\\n"), "key: A, optional: true", mounted),
        pod("missing", &write("B='y'\\n"), "key: A", mounted),
        pod("unquoted", &write("A=x\\n"), "key: A, optional: true", mounted),
        pod("nothing", "true", "key: A, optional: true", mounted),
        pod("unmounted", "true", "key: A", ""),
    ]
    .concat();
    let said = last_words(60, &manifest, "", ["plain", "lines", "optional"]);
    let rest = "ls: /v: No such file or directory\n";
    assert_eq!(said, [format!("x z-{rest}"), format!("one\ntwo-{rest}"), format!("-{rest}")]);
    let failed = |pod: &str, why: &str| format!("eventually event(pod({pod}), Failed, 'Error: {why}')");
    let missing = "environment variable key \"A\" not found in file \
                   \"/var/lib/kubelet/pods/*/volumes/kubernetes.io~empty-dir/v/d/env\"";
    let expect = [
        failed("missing", missing),
        failed("unquoted", "couldn?t parse env file"),
        failed("nothing", "couldn?t parse env file"),
        failed("unmounted", "cannot find the volume \"v\" referenced by FileKeyRef"),
        "eventually container(missing/app).reason == CreateContainerConfigError".to_owned(),
    ];
    check(60, &manifest, "", &expect.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(idle(&manifest), Vec::<String>::new());
    let pod = |reference: Value| {
        let env = json!([{"name": "A", "valueFrom": {"fileKeyRef": reference}}]);
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c",
            "image": "i", "env": env}]}})
    };
    let server = server(&[pod(json!({"volumeName": "v", "path": "x", "key": "A"}))]);
    let stored = render(&server.store().list(Kind::Pod)[0]);
    let stored = &stored["spec"]["containers"][0]["env"][0]["valueFrom"]["fileKeyRef"];
    assert_eq!(stored, &json!({"volumeName": "v", "path": "x", "key": "A", "optional": false}));
    let refused = lower(&pod(json!({"volumeName": "", "path": "/../x", "key": ""})));
    let refused = refused.err().map(|error| error.to_string()).unwrap_or_default();
    for field in ["key: Required value", "volumeName: Required value", "path: Invalid value: \"/../x\""] {
        assert!(refused.contains(&format!("fileKeyRef.{field}")), "{refused}");
    }
}

#[test]
fn a_volume_in_memory_is_full_when_its_size_is_reached() {
    // pkg/volume/emptydir/empty_dir.go (`calculateEmptyDirMemorySize`); the words are those of BusyBox.
    let say = |line: &str| format!("({line}) > /dev/termination-log 2>&1; exit 0");
    let volume = |more: &str| format!("volumes: [{{name: v, emptyDir: {{medium: Memory{more}}}}}],");
    let mount = "volumeMounts: [{name: v, mountPath: /v}],";
    let limited = "resources: {limits: {memory: 1Mi}}, volumeMounts: [{name: v, mountPath: /v}],";
    let fill = |count: u64| say(&format!("dd if=/dev/zero of=/v/a bs=4096 count={count}; echo $?"));
    let words = say("dd if=/dev/zero of=/v/a bs=4096 count=2 2>&-; echo x > /v/b; echo $?; seq 3 > /v/c; echo $?; \
         cp /etc/hosts /v/d; echo $?; rm /v/a; echo y > /v/b; cat /v/b; df | tail -1");
    let manifest = [
        script("words", &words, mount, &volume(", sizeLimit: 8Ki")),
        script("own", &fill(3), mount, &volume(", sizeLimit: 8Ki")),
        script("pod", &fill(300), limited, &volume(", sizeLimit: 1Gi")),
        script("node", &fill(1 << 40), mount, &volume("")),
        script("disk", &fill(3), mount, "volumes: [{name: v, emptyDir: {sizeLimit: 8Ki}}],"),
        script(
            "some",
            &fill(300),
            limited,
            &(volume("") + "initContainers: [{name: i, image: busybox, command: ['true']}],"),
        ),
    ]
    .concat();
    let said = last_words(60, &manifest, "", ["words", "own", "pod", "node", "disk", "some"]);
    let full = "write error: No space left on device\n1\n";
    let free = "tmpfs                        8         4         4  50% /v\n";
    assert_eq!(said[0], format!("sh: {full}seq: {full}cp: {full}y\n{free}"));
    let dd = |read: u64| {
        let error = "dd: error writing '/v/a': No space left on device";
        format!("{error}\n{read}+0 records in\n{}+0 records out\n1\n", read - 1)
    };
    assert_eq!(said[1..3], [dd(3), dd(257)]);
    assert!(said[3].contains("No space left on device") && said[3].ends_with("\n1\n"), "{}", said[3]);
    assert_eq!(said[4..], ["3+0 records in\n3+0 records out\n0\n", "300+0 records in\n300+0 records out\n0\n"]);
}

#[test]
fn nobody_finds_the_server_while_its_own_service_is_gone() {
    // The Service is made anew within ten seconds (pkg/controlplane/controller/kubernetesservice/controller.go).
    let ask = "for i in $(seq 20); do sleep 1; nslookup kubernetes > /tmp/x && printf y || printf n; nc -z 10.96.0.1 443 \
               && printf Y || printf N; done > /dev/termination-log";
    let actions = |kind: &str| format!("actions: [(at: \"9500ms\", do: Delete(object: \"{kind}/kubernetes\"))],");
    let told = |kind: &str| {
        let [said] = last_words(60, &script("asks", ask, "", ""), &actions(kind), ["asks"]);
        let (names, answers): (String, String) = said.chars().partition(|letter| letter.is_lowercase());
        // Each answer once for as long as it stays the same.
        let runs = |text: &str| {
            let mut letters: Vec<char> = text.chars().collect();
            letters.dedup();
            letters.into_iter().collect::<String>()
        };
        (runs(&names), runs(&answers))
    };
    assert_eq!(told("service"), ("yny".to_owned(), "YNY".to_owned()));
    // Its name stays if only those are gone that are behind it.
    assert_eq!(told("endpointslice"), ("y".to_owned(), "YNY".to_owned()));
}
