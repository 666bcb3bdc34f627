package feeds

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mmcdole/gofeed"

	"tocsin"
	"tocsin/feeds/fetch"
)

// corpus is a directory of the corpus that TOCSIN_CORPUS names.
func corpus(t testing.TB, dir string) []string {
	t.Helper()
	root := os.Getenv("TOCSIN_CORPUS")
	if root == "" {
		t.Skip("TOCSIN_CORPUS is unset: the corpus of real feeds is not read")
	}
	files, err := filepath.Glob(filepath.Join(root, dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s of TOCSIN_CORPUS", dir)
	}
	return files
}

// unpacked is a file of the corpus, without its compression.
func unpacked(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(b, []byte("\x1f\x8b")) {
		return b
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if b, err = io.ReadAll(z); err != nil {
		t.Fatalf("unpack %s: %v", filepath.Base(file), err)
	}
	return b
}

// readAll reads the files of a corpus and logs what became of each. It returns
// the names of those that are no feed.
func readAll(t *testing.T, dir string) (refused []string) {
	for _, file := range corpus(t, dir) {
		name := filepath.Base(file)
		if strings.HasSuffix(name, ".py") {
			continue
		}
		doc, err := ParseFeed(tocsin.Source{}, fetch.Response{Body: unpacked(t, file), URL: "https://site.example/feed/"})
		if err != nil {
			refused = append(refused, name)
			t.Logf("%-47s %v", name, err)
			continue
		}
		id, link, date := 0, 0, 0
		for _, e := range doc.Items {
			if e.Title == "" && e.Summary == "" && e.Text == "" && e.GUID == "" {
				t.Errorf("%s: an entry holds nothing: %+v", name, e)
			}
			id += min(len(e.GUID), 1)
			link += min(len(e.URL), 1)
			if !e.Published.IsZero() || !e.Updated.IsZero() {
				date++
			}
		}
		t.Logf("%-47s %-4s %-12s %2d entries, %2d with id, %2d link, %2d date; cut %v; %q", name, doc.Kind, doc.Encoding, len(doc.Items), id, link, date, doc.Cut, doc.Repairs)
	}
	return refused
}

func TestRealFeedsAreRead(t *testing.T) {
	if refused := readAll(t, "feeds"); len(refused) != 1 || refused[0] != "rss-parser__unrecognized.rss" {
		t.Errorf("not read: %q, want only the page that says it has moved", refused)
	}
}

func TestOfficialShapedFeedsAreRead(t *testing.T) {
	if refused := readAll(t, "feeds-written"); len(refused) != 1 || refused[0] != "challenge.html.rss" {
		t.Errorf("not read: %q, want only the bot check", refused)
	}
}

// TestWhatGofeedReadsIsRead: no document of gofeed's own tests is refused or
// loses an entry, apart from entries that hold nothing.
func TestWhatGofeedReadsIsRead(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/mmcdole/gofeed").Output()
	if err != nil || len(out) < 2 {
		t.Skip("gofeed's source is not in the module cache:", err)
	}
	read := 0
	err = filepath.WalkDir(filepath.Join(strings.TrimSpace(string(out)), "testdata"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".xml" {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		theirs, err := gofeed.NewParser().Parse(bytes.NewReader(body))
		if err != nil {
			return nil
		}
		read++
		doc, err := ParseFeed(tocsin.Source{}, fetch.Response{Body: body})
		void := strings.Contains(strings.Join(doc.Repairs, " "), "without text, address and id")
		if err != nil || len(doc.Items) != len(theirs.Items) && !void {
			t.Errorf("%s: %d entries, want %d; %v", filepath.Base(path), len(doc.Items), len(theirs.Items), err)
		}
		return nil
	})
	if err != nil || read < 300 {
		t.Errorf("read %d documents, want at least 300; %v", read, err)
	}
}
