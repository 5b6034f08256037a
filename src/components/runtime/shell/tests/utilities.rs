//! The utilities, by what they print.

use super::super::Dialect::{BusyBox, Dash};
use super::harness::play;

fn check(table: &[(&str, &str)]) {
    for (script, output) in table {
        let (found, errors, _) = play(script, Dash);
        assert_eq!(found, *output, "{script}\n{errors}");
    }
}

#[test]
fn files() {
    check(&[
        ("mkdir -p /a/b; touch /a/f /a/b/g; find /a | sort; ls /a; ls -d /a", "/a\n/a/b\n/a/b/g\n/a/f\nb\nf\n/a\n"),
        ("cd /tmp; echo x > a; cp a b; mv b c; cat c; ln -s c l; readlink l; cat l; rm l; ls", "x\nc\nx\na\nc\n"),
        (
            "mkdir /d; cp -r /etc/nope /d 2>/dev/null || echo missing; mkdir /d || echo $?; rmdir /d; ls /d || \
             echo $?",
            "missing\n1\n2\n",
        ),
        ("rm /nope || echo $?; rm -f /nope; echo $?; rm -rf /tmp; ls -d /tmp || echo gone", "1\n0\ngone\n"),
        (
            "mkdir -p /x/y; touch /x/y/f; cp -r /x /z; cp -r /x/. /w; find /z /w | sort",
            "/w\n/w/y\n/w/y/f\n/z\n/z/y\n/z/y/f\n",
        ),
        (
            "printf 12345 > /f; stat -c '%s %n %F' /f; truncate -s 0 /f; stat -c %s /f; du -b /f",
            "5 /f regular file\n0\n0\t/f\n",
        ),
        (
            "dd if=/dev/zero of=/big bs=1M count=100 2>/dev/null; stat -c %s /big; fallocate -l 2G /b2; stat -c \
             %s /b2; du -h /b2",
            "104857600\n2147483648\n2.0G\t/b2\n",
        ),
        ("t=$(mktemp); [ -f $t ] && echo file; d=$(mktemp -d /tmp/x.XXXX); [ -d $d ] && echo ${#d}", "file\n11\n"),
        (
            "cd /tmp; touch a.x b.y; find . -name '*.x'; find . -type f -exec echo got {} \\;; find /tmp -name \
             '*.x' -delete; ls",
            "./a.x\ngot ./a.x\ngot ./b.y\nb.y\n",
        ),
        (
            "echo a > /f; sleep 5; find / -mmin +0 -name f; find / -size +1k -name f; [ -s /f ] && echo filled",
            "filled\n",
        ),
        ("cd /tmp; echo a > x; cp x y; cmp x y && echo same; cmp -s x /etc/nope; echo $?", "same\n2\n"),
        (
            "cd /; basename /a/b.txt .txt; dirname /a/b c /; realpath tmp/../etc; chmod +x /etc; chown 1:1 /etc; \
             echo $?",
            "b\n/a\n.\n/\n/etc\n0\n",
        ),
    ]);
}

#[test]
fn text() {
    check(&[
        (
            "printf '1\\n2\\n3\\n' > /f; head -n 1 /f; head -2 /f; tail -n 1 /f; tail -n +3 /f; tail -1 /f; head \
             -c 3 /f",
            "1\n1\n2\n3\n3\n3\n1\n2",
        ),
        (
            "printf 'a b\\nc\\n' | wc -l; printf 'a b\\n' | wc -w; echo abc | wc -c; printf 'x\\n' > /f; wc -l /f",
            "2\n2\n4\n1 /f\n",
        ),
        (
            "printf 'foo\\nbar\\nbaz\\n' > /f; grep ba /f; grep -v ba /f; grep -c a /f; grep -n bar /f; grep -o \
             'a.' /f; grep -q x /f || echo none",
            "bar\nbaz\nfoo\n2\n2:bar\nar\naz\nnone\n",
        ),
        (
            "printf 'A1\\nb2\\n' | grep -iE '^a[0-9]$'; printf 'a.b\\naxb\\n' | grep -F a.b; printf \
             '1\\n2\\n3\\n' | grep -A1 2; grep -rl nobody-there /etc || \
             echo $?; grep -l root /etc/passwd; printf 'x\\nx\\nx\\n' > /tmp/f; grep -l x /tmp/f; grep -c x /tmp/f",
            "A1\na.b\n2\n3\n1\n/etc/passwd\n/tmp/f\n3\n",
        ),
        (
            "echo hello | sed 's/l/L/'; echo hello | sed 's/l/L/g;s/h/[&]/'; printf 'a\\nb\\nc\\n' | sed -n \
             '2p'; printf 'a\\nb\\nc\\n' | sed '/b/d;$d'",
            "heLlo\n[h]eLLo\nb\na\n",
        ),
        (
            "echo k=v | sed -E 's/(.*)=(.*)/\\2=\\1/'; echo a/b | sed 's|/|-|'; echo x > /f; sed -i 's/x/y/' /f; \
             cat /f; printf '1\\n2\\n3\\n' | sed -n '2,$p'",
            "v=k\na-b\ny\n2\n3\n",
        ),
        (
            "printf 'a b c\\n' | awk '{print $2, NF}'; echo a:b | awk -F: '{print $2\"-\"$1}'; printf '1\\n2\\n' \
             | awk '{s+=$1} END {print s}'",
            "b 3\nb-a\n3\n",
        ),
        (
            "printf '  HTTP/1.1 200 OK\\n' | awk '/^  HTTP/{print $2}'; printf 'x 5\\ny 9\\n' | awk '$2 > 6 \
             {print $1}'; awk 'BEGIN {printf \"%03d\\n\", 7}'",
            "200\ny\n007\n",
        ),
        (
            "echo a,b,c | cut -d, -f2-; echo abcdef | cut -c2-3; echo Hi | tr A-Z a-z; echo a1b2 | tr -d 0-9; \
             echo 'a  b' | tr -s ' '",
            "b,c\nbc\nhi\nab\na b\n",
        ),
        (
            "printf 'b\\na\\nb\\n' | sort -u; printf '10\\n9\\n' | sort -n; printf 'a 2\\nb 1\\n' | sort -k2; \
             printf 'a\\na\\nb\\n' | uniq -c",
            "a\nb\n9\n10\nb 1\na 2\n      2 a\n      1 b\n",
        ),
        (
            "echo abc | rev; printf '1\\n2\\n' | tac; echo hello | base64; echo aGVsbG8K | base64 -d; echo x | \
             tee /f; cat /f",
            "cba\n2\n1\naGVsbG8K\nhello\nx\nx\n",
        ),
        (
            "echo 1 2 3 | xargs -n1 echo; printf 'a b\\n' | xargs -I% echo '<%>'; echo x | xargs sh -c 'echo got $0'",
            "1\n2\n3\n<a b>\ngot x\n",
        ),
    ]);
}

#[test]
fn numbers_and_words() {
    check(&[
        (
            "seq 3; seq 2 3; seq 3 -2 -1; seq -s, 3; seq 0.5 1.5; seq -w 9 10",
            "1\n2\n3\n2\n3\n3\n1\n-1\n1,2,3\n0.5\n1.5\n09\n10\n",
        ),
        (
            "expr 1 + 2 \\* 3; expr 3 \\> 2; expr length abc; expr abc : 'a\\(.\\)'; expr 1 - 1; echo $?",
            "7\n1\n3\nb\n0\n1\n",
        ),
        ("printf '%s-%d\\n' a 1 b 2; printf '%05.1f|%-4s|%x\\n' 3.14159 ab 255", "a-1\nb-2\n003.1|ab  |ff\n"),
        (
            "[ 1 -lt 2 -a a = a ] && echo and; [ ! -e /nope ] && echo not; test -d /tmp -o x = y && echo or; [ a \
             -eq 1 ] 2>/dev/null; echo $?",
            "and\nnot\nor\n2\n",
        ),
    ]);
}

#[test]
fn who_and_where() {
    check(&[
        (
            "hostname; hostname -f; hostname -i; hostname -s; echo $HOSTNAME; uname; uname -m",
            "web-0\nweb-0.web.default.svc.cluster.local\n10.0.0.7\nweb-0\nweb-0\nLinux\nx86_64\n",
        ),
        (
            "whoami; id -u; id; nproc; printenv HOME; printenv NOPE; echo $?; env | grep -c =",
            "root\n0\nuid=0(root) gid=0(root) groups=0(root)\n4\n/root\n1\n3\n",
        ),
        ("which sh nosuch; echo $?; which server; command -v ls", "/bin/sh\n1\n/usr/bin/server\n/bin/ls\n"),
    ]);
}

#[test]
fn dates_are_of_virtual_time() {
    check(&[
        (
            "date; sleep 90; date -u; date +%s",
            "Thu Jan  1 12:00:00 UTC 2026\nThu Jan  1 12:01:30 UTC 2026\n1767268890\n",
        ),
        (
            "date '+%Y-%m-%d %H:%M:%S'; date -Iseconds; date -u +%FT%TZ; date +%s%N | cut -c1-12",
            "2026-01-01 12:00:00\n2026-01-01T12:00:00+00:00\n2026-01-01T12:00:00Z\n176726880000\n",
        ),
        (
            "date -u -d @0 '+%a %b %e %T'; date -d '2024-02-29 10:00:00' +%j; date -d yesterday +%d; date -d '2 \
             hours ago' +%H",
            "Thu Jan  1 00:00:00\n060\n31\n10\n",
        ),
    ]);
}

#[test]
fn processes_are_seen() {
    check(&[
        ("sleep 60 & pgrep sleep > /dev/null && echo found; pkill sleep; wait $!; echo $?", "found\n143\n"),
        ("pgrep nginx; killall -0 nginx && echo alive; pidof nosuch || echo none", "900\nalive\nnone\n"),
        ("kill -0 900 && echo there; kill -0 901 2>/dev/null || echo gone; kill -0 $$ && echo me", "there\ngone\nme\n"),
    ]);
}

#[test]
fn errors_of_files_are_told_as_by_busybox_or_by_the_gnu_utilities() {
    // `coreutils/*.c` of BusyBox 1.37; `src/*.c` of GNU coreutils 9.
    for (script, busybox, gnu) in [
        ("touch /x/y", "/x/y: No such file or directory", "cannot touch '/x/y': No such file or directory"),
        ("mkdir /etc", "can't create directory '/etc': File exists", "cannot create directory '/etc': File exists"),
        ("rmdir /x", "'/x': No such file or directory", "failed to remove '/x': No such file or directory"),
        ("rm /x", "can't remove '/x': No such file or directory", "cannot remove '/x': No such file or directory"),
        ("cp /x /y", "can't stat '/x': No such file or directory", "cannot stat '/x': No such file or directory"),
        ("cp /etc /y", "omitting directory '/etc'", "-r not specified; omitting directory '/etc'"),
        ("mv /x /y", "can't rename '/x': No such file or directory", "cannot stat '/x': No such file or directory"),
        ("chmod 600 /x", "/x: No such file or directory", "cannot access '/x': No such file or directory"),
        ("ls /x", "/x: No such file or directory", "cannot access '/x': No such file or directory"),
        ("find /x", "/x: No such file or directory", "'/x': No such file or directory"),
        ("stat /x", "can't stat '/x': No such file or directory", "cannot statx '/x': No such file or directory"),
    ] {
        let name = script.split(' ').next().unwrap_or_default();
        assert_eq!(play(script, BusyBox).1, format!("{name}: {busybox}\n"), "{script}");
        assert_eq!(play(script, Dash).1, format!("{name}: {gnu}\n"), "{script}");
    }
}

#[test]
fn busybox_speaks_its_own_way() {
    for (script, errors) in
        [("sleep x", "sleep: invalid number 'x'\n"), ("cd /x", "sh: cd: can't cd to /x: No such file or directory\n")]
    {
        assert_eq!(play(script, BusyBox).1, errors, "{script}");
    }
}
