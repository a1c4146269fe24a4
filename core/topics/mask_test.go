package topics_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/core/topics"
)

func TestMaskConnection(t *testing.T) {
	t.Parallel()
	for connection, want := range map[string]string{
		"":                                   "",
		"%PG_URL%":                           "%PG_URL%",
		"/var/lib/events":                    "/var/lib/events",
		`C:\events\of the shop`:              `C:\events\of the shop`,
		"./data":                             "./data",
		"https://acct.blob.core.windows.net": "https://acct.blob.core.windows.net",
		"http://127.0.0.1:10000/devstoreaccount1": "http://127.0.0.1:10000/devstoreaccount1",
		"https://acct.blob.core.windows.net/?sv=2024-11-04&ss=b&srt=sco&sp=rwl&se=2027-01-01T00:00:00Z&sig=abc%3D": "https://acct.blob.core.windows.net/?sv=2024-11-04&ss=b&srt=sco&sp=rwl&se=2027-01-01T00:00:00Z&sig=***",
		"postgres://db.example/shop":                                             "postgres://db.example/shop",
		"postgres://app@db.example/shop":                                         "postgres://app:***@db.example/shop",
		"postgres://app:s3cret@db.example:5432/shop?sslmode=verify-full":         "postgres://app:***@db.example:5432/shop?sslmode=verify-full",
		"postgresql://app:s3@cr/et@[::1]:5432,b:1/shop":                          "postgresql://app:***@[::1]:5432,b:1/shop",
		"postgres://app:s3?c@db/shop":                                            "postgres://***",
		"postgres://app@db/shop?password=s3cret&sslmode=require":                 "postgres://app:***@db/shop?password=***&sslmode=require",
		"postgres://app@db/shop?password=s3@cret":                                "postgres://***",
		"postgres://app:s3cret/shop":                                             "postgres://***",
		"postgres://db/shop?s3cret":                                              "postgres://db/shop?***",
		"postgres://db/shop#s3cret":                                              "postgres://db/shop#***",
		"host=db port=5432 user=app password=s3cret dbname=shop sslmode=require": "host=db port=5432 user=app password=*** dbname=shop sslmode=require",
		`host = db password = 's3 c\'ret' dbname = shop`:                         "host=db password=*** dbname=shop",
		"password=my s3cret host=db":                                             "password=*** ***",
		"host=db sslpassword=x passfile=/x":                                      "host=db sslpassword=*** passfile=***",
		"DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=c2VjcmV0Cg==;EndpointSuffix=core.windows.net": "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=***;EndpointSuffix=core.windows.net",
		"BlobEndpoint=https://acct.blob.core.windows.net/;SharedAccessSignature=sv=2024&sig=abc":                  "BlobEndpoint=https://acct.blob.core.windows.net/;SharedAccessSignature=***",
		"BlobEndpoint=https://u:s3cret@acct/;AccountName=a":                                                       "BlobEndpoint=https://u:***@acct/;AccountName=a",
		"UseDevelopmentStorage=true": "UseDevelopmentStorage=true",
		"c2VjcmV0Cg==":               "***",
		"app:s3cret@db/shop":         "***",
	} {
		require.Equal(t, want, topics.MaskConnection(connection), "%s", connection)
	}
}

// FuzzMaskConnection puts a secret where connections have theirs, as it is and escaped as it
// should be, and looks for it in what is shown.
func FuzzMaskConnection(f *testing.F) {
	for _, secret := range []string{"s3cret-word", "a@b:c/d?e#f&g=h", "with space 'and' \"quotes\"", `back\slash;semi`, "%41%42%43%44", "sslmode=disable", "héllo wörld"} {
		f.Add(secret)
	}
	f.Fuzz(func(t *testing.T, secret string) {
		if len(secret) < 8 || strings.Trim(secret, "*% ") == "" {
			return // so short that it may be part of what is shown anyway
		}
		quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(secret)
		for _, connection := range []string{
			"postgres://app:" + secret + "@db.example:5432/shop?sslmode=require",
			"postgres://app:" + url.PathEscape(secret) + "@db.example/shop",
			"postgres://app@db.example/shop?password=" + secret,
			"postgres://app@db.example/shop?sslmode=require&password=" + url.QueryEscape(secret),
			"host=db.example password='" + quoted + "' user=app",
			"password=" + secret,
			"DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=" + secret,
			"BlobEndpoint=https://acct.blob.core.windows.net;SharedAccessSignature=sv=1&sig=" + secret,
			"https://acct.blob.core.windows.net/c?sv=1&sig=" + url.QueryEscape(secret),
			"https://acct.blob.core.windows.net/c?sv=1&sig=" + secret,
		} {
			shown := topics.MaskConnection(connection)
			for _, form := range []string{secret, quoted, url.QueryEscape(secret), url.PathEscape(secret)} {
				if strings.Contains(connection, form) && strings.Contains(shown, form) {
					t.Errorf("%q in %q is shown as %q", form, connection, shown)
				}
			}
		}
	})
}
