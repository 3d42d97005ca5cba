import { render } from "preact";
import "./style.css";
import "./views.css";
import { App } from "./app";
import "./theme";

render(<App />, document.getElementById("app")!);
