/** The forecast and the candles as tables, and as CSV files. */

import { useState } from "preact/hooks";
import type { PastForecast } from "../data/evaluation";
import type { History, Prediction, Quantiles } from "../data/types";
import { historyCsv, predictionCsv } from "../rules/csv";
import { count, local, number, price, utc, zone } from "../rules/format";
import { safeName } from "../rules/names";
import { nextOpen } from "../rules/timeframes";
import { Table } from "../ui/parts";

const FIRST = 24;
const MORE = 240;

interface Props {
  history: History;
  prediction: Prediction;
  chosen: PastForecast | null;
}

export function SeriesTables({ history, prediction, chosen }: Props) {
  const name = `${safeName(history.symbol)}_${history.timeframe}`;
  return (
    <>
      <section>
        <div class="section-head">
          <h2>{chosen ? "Forecast and outcome" : "Forecast"}</h2>
          <button type="button" onClick={() => save(`prediction_${name}.csv`, predictionCsv(prediction))}>Newest forecast as CSV</button>
        </div>
        {chosen ? <Past history={history} chosen={chosen} /> : <Newest history={history} prediction={prediction} />}
      </section>
      <section>
        <div class="section-head">
          <h2>Candles</h2>
          <button type="button" onClick={() => save(`history_${name}.csv`, historyCsv(history))}>{count(history.data.length, "candle")} as CSV</button>
        </div>
        <Candles key={name} history={history} />
      </section>
    </>
  );
}

function Newest({ history, prediction }: { history: History; prediction: Prediction }) {
  const scale = history.data.at(-1)!.close;
  return (
    <Table caption={`Forecast from ${utc(prediction.as_of)} UTC`} class="numbers" head={["Candle closes (UTC)", `Local (${zone()})`, "Median", "50% range", "80% range", "90% range"]}>
      {prediction.forecast.map((step) => {
        const closes = nextOpen(Date.parse(step.timestamp), prediction.timeframe);
        return <tr key={step.timestamp}><Closing time={closes} /><Ranges quantiles={step.quantiles} scale={scale} /></tr>;
      })}
    </Table>
  );
}

function Past({ history, chosen }: { history: History; chosen: PastForecast }) {
  const scale = history.data.at(-1)!.close;
  return (
    <Table caption={`Forecast from ${utc(chosen.as_of)} UTC by model ${chosen.model_version}, ${chosen.live ? "made live" : "a backtest"}`} class="numbers"
      head={["Candle closes (UTC)", `Local (${zone()})`, "Median", "50% range", "80% range", "90% range", "Close", "In the 80% range"]}>
      {chosen.forecast.map(({ close_time, quantiles, actual }) => (
        <tr key={close_time}>
          <Closing time={Date.parse(close_time)} />
          <Ranges quantiles={quantiles} scale={scale} />
          <td>{actual === null ? "–" : price(actual, scale)}</td>
          <td>{actual === null ? "–" : actual >= quantiles["0.1"] && actual <= quantiles["0.9"] ? "yes" : "no"}</td>
        </tr>
      ))}
    </Table>
  );
}

function Closing({ time }: { time: number }) {
  return <><th scope="row">{utc(time)}</th><td>{local(time)}</td></>;
}

function Ranges({ quantiles, scale }: { quantiles: Quantiles; scale: number }) {
  const range = (lower: number, upper: number) => <td>{price(lower, scale)} – {price(upper, scale)}</td>;
  return (
    <>
      <td>{price(quantiles["0.5"], scale)}</td>
      {range(quantiles["0.25"], quantiles["0.75"])}
      {range(quantiles["0.1"], quantiles["0.9"])}
      {range(quantiles["0.05"], quantiles["0.95"])}
    </>
  );
}

function Candles({ history }: { history: History }) {
  const [shown, setShown] = useState(FIRST);
  const scale = history.data.at(-1)!.close;
  const newest = history.data.slice(-shown).reverse();
  return (
    <>
      <Table caption={`Newest ${newest.length} of ${count(history.data.length, "candle")}`} class="numbers" head={["Opens (UTC)", `Local (${zone()})`, "Open", "High", "Low", "Close", "Volume"]}>
        {newest.map((candle) => (
          <tr key={candle.timestamp}>
            <th scope="row">{utc(candle.timestamp)}</th>
            <td>{local(candle.timestamp)}</td>
            {[candle.open, candle.high, candle.low, candle.close].map((value, at) => <td key={at}>{price(value, scale)}</td>)}
            <td>{number(candle.volume, candle.volume < 100 ? 4 : 1)}</td>
          </tr>
        ))}
      </Table>
      {shown < history.data.length && <button type="button" onClick={() => setShown(shown + MORE)}>Show {MORE} more</button>}
    </>
  );
}

function save(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
