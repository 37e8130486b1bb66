# A document that Elasticsearch refused becomes a dead letter with the record's original bytes.
#
# In:   [@metadata][payload], [kafka], [index], [id]   as the pipeline ml-logs left them
#       [@metadata][dead_letter_queue][reason]         what Elasticsearch answered
# Out:  [@metadata][dead_letter]                       the line for the dead-letter topic

require "base64"
require "json"

# The answer's status decides the reason, with the words of `shipper index` (shipper/index/fate.py).
REASONS = { "400" => "mapping", "404" => "index_missing", "413" => "too_large" }.freeze

def filter(event)
  said = event.get("[@metadata][dead_letter_queue][reason]").to_s
  status = said[/status: (\d+)/, 1]
  kafka = event.get("[@metadata][kafka]") || {}
  letter = {
    "dead_letter" => {
      "reason" => REASONS.fetch(status, "refused"),
      # The answer only: the words before it repeat the whole document.
      "detail" => "status #{status}: #{said[/.*response: (.*)\z/m, 1]}".scrub("?")[0, 1000],
      "hop" => "logstash",
      "at" => Time.now.utc.strftime("%Y-%m-%dT%H:%M:%S.%6NZ"),
      "position" => { "topic" => kafka["topic"], "partition" => kafka["partition"], "offset" => kafka["offset"] }
    },
    "event_id" => event.get("[@metadata][id]").to_s,
    "dataset" => event.get("[event][dataset]").to_s,
    "index" => event.get("[@metadata][index]").to_s,
    "payload_base64" => Base64.strict_encode64(event.get("[@metadata][payload]").to_s.encode(Encoding::ISO_8859_1))
  }
  event.set("[@metadata][dead_letter]", JSON.generate(letter))
  [event]
end
