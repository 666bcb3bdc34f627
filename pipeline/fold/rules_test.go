package fold

import (
	"strconv"
	"strings"
	"testing"
)

func TestTheNextOfASeriesIsNew(t *testing.T) {
	bulletin := func(no, day, n string) Sketch {
		return Of("Daily bulletin "+no, "Until the morning of "+day+" March, "+n+" drones were shot down over Kharkiv by the air force. The general staff thanks all who serve.", "en")
	}
	var x Index
	x.Add("1", Member{"a", "1"}, bulletin("641", "4", "87"), now)
	d := x.Decide(Member{"a", "2"}, bulletin("642", "5", "93"), now)
	if d.Kind != New || !strings.HasPrefix(d.Reason, "the next of a series") {
		t.Errorf("the next bulletin = %+v", d)
	}
}

// TestNoSeriesWithoutNumbers: a reason names only what is so.
func TestNoSeriesWithoutNumbers(t *testing.T) {
	var x Index
	x.Add("1", Member{"a", "1"}, Of("Press release", "On culture.", "en"), now)
	if d := x.Decide(Member{"a", "2"}, Of("Press release", "On sports.", "en"), now); d.Kind != New || strings.Contains(d.Reason, "series") {
		t.Errorf("a text without numbers = %+v", d)
	}
}

// TestAnItemIsNoCopyOfItsOwnStatement: one that is of a statement is compared with
// the others, by digests and by what it says.
func TestAnItemIsNoCopyOfItsOwnStatement(t *testing.T) {
	var x Index
	text := "24 missiles KN-23 were transferred by North Korea to Russia on 30 December, against resolutions 1718 and 2270. " + long
	m := Member{"a", "1"}
	x.Add("1", m, Of("Missiles", text, "en"), now)
	for _, more := range []string{"", " Share this page."} {
		if d := x.Decide(m, Of("Missiles", text+more, "en"), now); d.Kind != New || d.Statement != "" {
			t.Errorf("the item itself with %q = %+v", more, d)
		}
		if d := x.Decide(Member{"b", "1"}, Of("Missiles", text+more, "en"), now); d.Kind != Same {
			t.Errorf("another item with %q = %+v", more, d)
		}
	}
}

func TestALongTextKeepsOfEachKind(t *testing.T) {
	var slots []slot
	for i := range 60 {
		slots = append(slots, numberSlot(strconv.Itoa(1000+i)), slotOf(topic, strconv.Itoa(i)))
	}
	slots = append(slots, dateSlot(3, 4), slotOf(entity, "KP"), slotOf(name, "slns"))
	kept := map[int]int{}
	out := choose(slots)
	for _, s := range out {
		kept[kindOf(s)]++
	}
	if len(out) != maxSlots || len(kept) != kindCount {
		t.Errorf("%d are kept, by kind %v; want %d of all kinds", len(out), kept, maxSlots)
	}
}

func TestAReportSaysLessInOtherWords(t *testing.T) {
	var x Index
	x.Add("1", Member{"mfa", "1"}, Of("Joint statement on the transfer of missiles", "The foreign ministers of the United States, Japan and the Republic of Korea condemn the transfer of 24 KN-23 ballistic missiles by the DPRK to Russia on 30 December 2023 and 300 shells on 6 January 2024. It violates resolutions 1718, 1874 and 2270 of the Security Council. We call on the DPRK to stop. We will respond with Ukraine, and hold Vostochny company and Captain Ivanov of the vessel Angara to account.", "en"), now)
	d := x.Decide(Member{"news", "1"}, Of("Kim's KN-23 gift", "Angry words came from Japan, Washington and Seoul: 24 KN-23 ballistic missiles went from North Korea into Russian hands on 30 December with shells, 300 of them, despite resolutions 1718, 1874.", "en"), now)
	if d.Kind != Near || d.Statement != "1" || !strings.HasPrefix(d.Reason, "tells of it") {
		t.Errorf("a report = %+v", d)
	}
}

func TestDatesInDigits(t *testing.T) {
	for text, want := range map[string][2]int{"2023-12-30": {12, 30}, "30.12.2023": {12, 30}, "12/30/2023": {12, 30}, "1/2/2024": {2, 1}} {
		r := readingOf("", text, "en")
		if len(r.slots) != 1 || r.slots[0] != dateSlot(want[0], want[1]) {
			t.Errorf("%s = %v, want the date %v", text, r.slots, want)
		}
	}
}

// TestItsOwnLanguageSaysWhetherATextTellsOfAStatement: whatever copies in other
// languages came before it.
func TestItsOwnLanguageSaysWhetherATextTellsOfAStatement(t *testing.T) {
	told := Of("Four countries condemn missile shipment", "A shipment of ballistic missiles aboard the freighter Calder Star has drawn a sharp rebuke from several capitals. "+
		"Dock workers said that the ship had landed its 36 crates on 9 November with its lights off.", "en")
	statement := Of("Joint statement on the transfer of ballistic missiles", "We, the foreign ministers of four countries, condemn the transfer of ballistic missiles that became known this month. "+
		"On 9 November the freighter Calder Star landed 36 ballistic missiles of the Scud-C type and 14 launchers, in breach of Security Council resolutions 1540 (2004) and 1929 (2010). "+
		"We call on those who sell and those who buy to stop at once, to open their depots to inspectors, and to answer by 15 December the 22 questions that the panel of experts has put to them.", "en")
	copies := []Sketch{
		Of("Déclaration commune", "Nous, ministres des affaires étrangères de quatre pays, condamnons le transfert de missiles balistiques. Le 9 novembre, le cargo Calder Star a débarqué 36 missiles balistiques.", "fr"),
		Of("共同声明", "我々四か国の外相は、弾道ミサイルの移転を非難する。11月9日、貨物船カルダー・スターは、弾道ミサイル36発を陸揚げした。", "ja"),
	}
	for n := range len(copies) + 1 {
		var x Index
		x.Add("1", Member{"gb", "1"}, statement, now)
		for i, c := range copies[:n] {
			x.Add("1", Member{strconv.Itoa(i), "1"}, c, now)
		}
		if d := x.Decide(Member{"news", "1"}, told, now); d.Kind != Near || d.Statement != "1" {
			t.Errorf("a report after %d copies in other languages = %+v", n, d)
		}
	}
}
