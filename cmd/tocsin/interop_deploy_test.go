//go:build interop

package main

import (
	"debug/elf"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"tocsin/notifiers/notifiertest"
)

// tryDeploy has the programs that read our deployment files judge them.
func tryDeploy(t *testing.T) {
	t.Run("docker-compose.yml", tryCompose)
	t.Run("nats.conf", tryNATSConf)
	t.Run("tocsin.service", tryUnit)
	t.Run("a static binary", tryStatic)
}

func tryCompose(t *testing.T) {
	compose := installed(t, "docker-compose", "docker-compose")
	t.Log(strings.SplitN(must(t, exec.Command(compose, "--version")), "\n", 2)[0])
	text := must(t, exec.Command(compose, "--file", "../../docker-compose.yml", "config"))
	var got struct {
		Services map[string]struct {
			Build struct{ Context, Dockerfile string }
			Ports []any
		}
	}
	if err := yaml.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nats", "tocsin", "mail"} {
		s, ok := got.Services[name]
		if !ok {
			t.Errorf("there is no service %s:\n%s", name, text)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(fmt.Sprint(p), "127.0.0.1:") {
				t.Errorf("service %s opens port %v to others", name, p)
			}
		}
	}
	build := got.Services["tocsin"].Build
	if _, err := os.Stat(filepath.Join(build.Context, build.Dockerfile)); err != nil {
		t.Error(err)
	}
	if out, errs, status := ask(t, program(t, "--config", "../../deploy/compose.tocsin.yaml", "check")); status != 0 {
		t.Errorf("the configuration for compose is refused:\n%s%s", out, errs)
	}
}

// tryNATSConf has the real server read the configuration that compose gives it,
// and runs the service on it.
func tryNATSConf(t *testing.T) {
	binary, err := natsBinary()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../deploy/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	must(t, exec.Command(binary, "-t", "-c", "../../deploy/nats.conf"))
	port := freePort(t)
	conf := strings.NewReplacer("0.0.0.0:4222", fmt.Sprintf("127.0.0.1:%d", port), "/data", commonDir(t)).Replace(string(text))
	newNATS(t, conf)
	listens(t, port)
	site, slack := newPress(t), notifiertest.NewSlack(interopToken)
	site.publish(statementIn("france", 0))
	args := configuredBy(t, "", site.sources("france")+mailWatch+slackDesk(loopback(t, slack), "C00000001"))
	serving(t, append(args, "--nats", fmt.Sprintf("nats://127.0.0.1:%d", port))...)
	await(t, "the digest is posted", func() bool { return len(slack.Messages("")) == 1 })
}

func tryUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not here: the unit is not judged")
	}
	text, err := os.ReadFile("../../deploy/tocsin.service")
	if err != nil {
		t.Fatal(err)
	}
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	unit := wroteFile(t, filepath.Join(commonDir(t), "tocsin.service"), strings.ReplaceAll(string(text), "/usr/local/bin/tocsin", binary))
	if out, errs, _ := ask(t, exec.Command("systemd-analyze", "verify", "--man=no", unit)); strings.Contains(out+errs, unit) {
		t.Errorf("systemd finds fault with the unit:\n%s%s", out, errs)
	}
}

// tryStatic builds as the Dockerfile does and checks that nothing of the system
// is needed, as an image from scratch has nothing.
func tryStatic(t *testing.T) {
	binary := filepath.Join(commonDir(t), "tocsin")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	must(t, build)
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	libraries, err := f.ImportedLibraries()
	if err != nil || len(libraries) > 0 {
		t.Errorf("the binary needs %q: %v", libraries, err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary needs a dynamic loader")
		}
	}
	empty := exec.Command(binary, "demo", "--once")
	empty.Env = []string{"TMPDIR=" + t.TempDir()}
	must(t, empty)
}

// tryPrometheus has promtool judge /metrics, and Prometheus read it.
func tryPrometheus(t *testing.T) {
	bin := prometheusPackage(t)
	site, slack := newPress(t), notifiertest.NewSlack(interopToken)
	site.publish(statementIn("france", 0))
	private, port := fmt.Sprintf("127.0.0.1:%d", freePort(t)), freePort(t)
	args := configuredBy(t, "", site.sources("france")+mailWatch+slackDesk(loopback(t, slack), "C00000001")+fmt.Sprintf("listen: {private: %q}\n", private))
	serving(t, args...)
	await(t, "the digest is posted", func() bool { return len(slack.Messages("")) == 1 })
	site.publish(statementIn("france", 1))
	await(t, "the alert is posted", func() bool { return len(slack.Messages("")) == 2 })
	for _, path := range []string{"/healthz", "/readyz"} {
		if p, err := http.Get("http://" + private + path); err != nil || p.StatusCode != http.StatusOK {
			t.Errorf("%s: %v", path, err)
		}
	}

	check := exec.Command(filepath.Join(bin, "promtool"), "check", "metrics")
	check.Stdin = strings.NewReader(fetched("http://" + private + "/metrics"))
	_, errs, _ := ask(t, check)
	for line := range strings.Lines(errs) {
		if !strings.Contains(line, `tocsin_disk_days_left use base unit "seconds"`) { // days are what people ask for
			t.Errorf("promtool: %s", line)
		}
	}

	dir := commonDir(t)
	config := wroteFile(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf("scrape_configs: [{job_name: tocsin, scrape_interval: 1s, static_configs: [{targets: [%q]}]}]\n", private))
	must(t, exec.Command(filepath.Join(bin, "promtool"), "check", "config", config))
	launch(t, exec.Command(filepath.Join(bin, "prometheus"), "--config.file", config, "--storage.tsdb.path", filepath.Join(dir, "tsdb"), "--web.listen-address", fmt.Sprintf("127.0.0.1:%d", port)))
	listens(t, port)
	for _, query := range []string{
		`up{job="tocsin"}==1`,
		`sum(tocsin_deliveries_total{kind="slack",outcome="sent"})>=2`,
		`histogram_quantile(0.5,tocsin_fetch_to_sent_seconds_bucket)>0`,
	} {
		await(t, "Prometheus answers "+query, func() bool {
			return strings.Contains(fetched(fmt.Sprintf("http://127.0.0.1:%d/api/v1/query?query=%s", port, url.QueryEscape(query))), `"value":[`)
		})
	}
}

// prometheusPackage is where prometheus and promtool are. Where they are not, it
// unpacks the Debian package without installing it: an installed one would start
// a server for everybody.
func prometheusPackage(t *testing.T) (bin string) {
	t.Helper()
	if path, err := exec.LookPath("prometheus"); err == nil {
		return filepath.Dir(path)
	}
	dir := commonDir(t)
	if err := os.Chmod(dir, 0o777); err != nil { // apt downloads as another user
		t.Fatal(err)
	}
	apt(t, "prometheus", dir, "download", "prometheus")
	debs, err := filepath.Glob(filepath.Join(dir, "prometheus_*.deb"))
	if err != nil || len(debs) != 1 {
		t.Fatalf("apt-get downloaded %q, want one package of Prometheus", debs)
	}
	must(t, exec.Command("dpkg-deb", "--extract", debs[0], filepath.Join(dir, "root")))
	return filepath.Join(dir, "root/usr/bin")
}
