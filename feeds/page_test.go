package feeds

import (
	"testing"

	"tocsin"
	"tocsin/feeds/fetch"
)

func TestSmoke(t *testing.T) {
	body := `<html lang=en><head><title>MFA</title><base href="/en/"></head><body><nav class=menu><ul><li><a href=/a>Home</a><li><a href=/b>About the ministry</a><li><a href=/c>Contact</a></ul></nav>
<div class=list><div class="item first"><span class=date>9 January 2024 | Press</span><h3><a href=n/1>Joint statement on <em>transfers</em> of missiles</a></h3><a href=n/1>Read more</a></div>
<div class="item"><span class=date>8 January 2024</span><h3><a href=n/2>Minister meets the ambassador</a></h3><a href=n/2>Read more</a></div>
<div class="item"><span class=date>7 January 2024</span><h3><a href=n/3>Travel advice has been updated</a></h3><a href=n/3>Read more</a></div></div>
<footer><a href=/x>Imprint of this site and its makers</a><a href=/y>Privacy statement for all visitors</a><a href=/z>Accessibility statement for you</a></footer></body></html>`
	for _, l := range []tocsin.Listing{{}, {Entry: `//div[has-class("item")]`, Title: `//h3//text()`, Link: `//a/@href`, Date: `//span[has-class("date")]/text()`},
		{Entry: `.list > .item`, Title: `h3 a`, Link: `a@href`, Date: `.date`}} {
		d, err := ParsePage(tocsin.Source{Listing: l}, fetch.Response{Body: []byte(body), URL: "https://mfa.example/en/news"})
		t.Logf("%v %v", d.Repairs, err)
		for _, e := range d.Items {
			t.Logf("%+v", e)
		}
	}
}
